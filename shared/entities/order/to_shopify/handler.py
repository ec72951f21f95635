"""Heartland's ids onto the Shopify order: the handler of canonical links."""

from __future__ import annotations

from collections.abc import Sequence

from shared.canonical.event import read_event
from shared.canonical.priority import Priority
from shared.connectors.shopify.client import ShopifyClient
from shared.connectors.shopify.clients import ShopifyClients
from shared.connectors.shopify.errors import UserErrors
from shared.entities.order.event import LinkEvent
from shared.entities.order.spec import CANONICAL_LINK
from shared.entities.order.to_shopify.link import LinkWriter, metafields
from shared.entities.parts import EntityWriter, ShopifyWriterParts
from shared.errors import RetryLater
from shared.messaging.record import Record, Result, Route, context_of


def open_writer(parts: ShopifyWriterParts) -> EntityWriter:
    """The route of canonical links. A link that cannot be written in the end is skipped: a later one replaces it."""
    handler = LinkHandler(parts.clients, parts.link_batch_seconds)
    return EntityWriter([Route(CANONICAL_LINK, handler.handle, "link", collapse=True, give_up="skip", writes=True)])


class LinkHandler:
    """Collects links per shop and priority, so that a live one waits for no other."""

    def __init__(self, shops: ShopifyClients, batch_seconds: float) -> None:
        self._shops = shops
        self._batch_seconds = batch_seconds
        self._writers: dict[tuple[str, Priority], tuple[ShopifyClient, LinkWriter]] = {}

    async def handle(self, records: Sequence[Record]) -> Result:
        """Write the newest link of one order. Raises RetryLater where Shopify refuses the metafields."""
        event = read_event(LinkEvent, records[-1].envelope.body, "link")
        shop = self._shops.get(event.connection)
        fields = metafields(event.record, shop.rules.metafield_namespace)
        if not fields:
            return Result(
                outcome="skipped", detail=f"links of the entity {event.record.entity} are not kept in Shopify"
            )
        try:
            context = context_of(records)
            await self._writer(event.connection, shop.client, context.priority).write(fields, context.subjects)
        except UserErrors as error:
            # Right after an order was made its metafields can be refused; a deleted order is refused for good.
            raise RetryLater(error.reason) from error
        return Result(outcome="applied", shopify_id=event.record.shopify_id, heartland_id=event.record.heartland_id)

    def _writer(self, connection: str, client: ShopifyClient, priority: Priority) -> LinkWriter:
        place = (connection, priority)
        known = self._writers.get(place)
        if known is None or known[0] is not client:
            known = self._writers[place] = (client, LinkWriter(client, priority, self._batch_seconds))
        return known[1]
