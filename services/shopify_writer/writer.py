"""The handlers of the Shopify writer: which canonical event goes where."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from services.shopify_writer.settings import Settings
from shared.canonical.event import read_event
from shared.canonical.priority import Priority
from shared.connectors.shopify.client import ShopifyClient
from shared.connectors.shopify.clients import ShopifyClients
from shared.connectors.shopify.errors import UserErrors
from shared.entities.fulfilment.event import FulfilmentEvent
from shared.entities.fulfilment.to_shopify.execute import Shipments
from shared.entities.order.event import LinkEvent
from shared.entities.order.to_shopify.link import LinkWriter, metafields
from shared.errors import RetryLater
from shared.messaging.record import Record, Result, priority_of
from shared.runtime.clock import Clock
from shared.state.ledger import Ledger
from shared.state.partition_epochs import PartitionEpochs


class Writer:
    """One per process; link calls are collected per shop and priority, so that a live one waits for no other."""

    def __init__(
        self,
        shops: ShopifyClients,
        ledger: Ledger,
        clock: Clock,
        settings: Settings,
        owners: PartitionEpochs | None = None,
    ) -> None:
        self._owners = owners
        self._shops = shops
        self._shipments = Shipments(ledger, clock, settings.shopify_read_lag_seconds)
        self._wait_seconds = settings.link_batch_wait_ms / 1000
        self._links: dict[tuple[str, Priority], tuple[ShopifyClient, LinkWriter]] = {}

    async def fulfilment(self, records: Sequence[Record]) -> Result:
        """One shipment. Facts come one at a time."""
        event = read_event(FulfilmentEvent, records[-1].envelope.body, "fulfilment")
        shop = self._shops.get(event.connection)
        location = shop.rules.location_map.get(event.record.location_id, "")
        taken_at = None
        if self._owners is not None:
            taken_at = partial(self._owners.taken_at, records[-1].topic, records[-1].partition)
        return await self._shipments.carry_out(event, shop.client.at(priority_of(records)), location, taken_at)

    async def link(self, records: Sequence[Record]) -> Result:
        """The newest link of one order."""
        event = read_event(LinkEvent, records[-1].envelope.body, "link")
        shop = self._shops.get(event.connection)
        fields = metafields(event.record, shop.rules.metafield_namespace)
        if not fields:
            return Result(
                outcome="skipped", detail=f"links of the entity {event.record.entity} are not kept in Shopify"
            )
        try:
            await self._link_writer(event.connection, shop.client.at(priority_of(records))).write(fields)
        except UserErrors as error:
            # Right after an order was made its metafields can be refused; a deleted order is refused for good.
            raise RetryLater(error.reason) from error
        return Result(outcome="applied", shopify_id=event.record.shopify_id, heartland_id=event.record.heartland_id)

    def _link_writer(self, connection: str, client: ShopifyClient) -> LinkWriter:
        place = (connection, client.priority)
        known = self._links.get(place)
        if known is None or known[0] is not client:
            known = self._links[place] = (client, LinkWriter(client, self._wait_seconds))
        return known[1]
