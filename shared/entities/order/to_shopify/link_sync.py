"""A canonical link puts Heartland's ids onto the Shopify order.

The sequence is in shared/sync/sync.py; this is what the link brings to it. A metafield set to the value it has is no
change, so nothing is read, and repeating it does no harm: there is no version gate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.canonical.event import read_event
from shared.canonical.priority import Priority
from shared.connectors.shopify.client import ShopifyClient
from shared.connectors.shopify.clients import ShopifyConnection
from shared.connectors.shopify.errors import UserErrors
from shared.entities.order.event import LinkEvent
from shared.entities.order.to_shopify.link import LinkWriter, metafields
from shared.errors import RetryLater
from shared.limits.call_context import CallContext
from shared.messaging.record import Result
from shared.state.target_state import TargetState
from shared.state.versions import Verdict
from shared.sync.plan import Plan
from shared.sync.sync import Attempt, RecordSync

ENTITY = "link"
Fields = tuple[dict[str, str], ...]


@dataclass(frozen=True, slots=True)
class SetMetafields:
    """Set the metafields of one order."""

    fields: Fields


class LinkWriters:
    """Collects links per shop and priority, so that a live one waits for no other."""

    def __init__(self, batch_seconds: float) -> None:
        self._batch_seconds = batch_seconds
        self._writers: dict[tuple[str, Priority], tuple[ShopifyClient, LinkWriter]] = {}

    def get(self, shop: ShopifyConnection, priority: Priority) -> LinkWriter:
        """The writer of this shop; a new one where the shop's client has changed."""
        place = (shop.connection.name, priority)
        known = self._writers.get(place)
        if known is None or known[0] is not shop.client:
            writer = LinkWriter(shop.client, priority, self._batch_seconds)
            known = self._writers[place] = (shop.client, writer)
        return known[1]


@dataclass(frozen=True, slots=True)
class LinkInShopify:
    """Links with Shopify as their target: see `shared.sync.sync.SyncedEntity`. `shop_of` is by connection."""

    shop_of: Callable[[str], ShopifyConnection]
    writers: LinkWriters
    entity: str = ENTITY
    target: str = "shopify"
    review_kinds: Sequence[str] = ()

    def read(self, body: bytes) -> LinkEvent:
        return read_event(LinkEvent, body, ENTITY)

    def customer_of(self, event: LinkEvent) -> str:
        return ""

    def definitions_version(self, connection: str) -> int:
        return self.shop_of(connection).connection.definitions_version

    def open(self, attempt: Attempt[LinkEvent]) -> LinkSync:
        shop = self.shop_of(attempt.event.connection)
        writer = self.writers.get(shop, attempt.context.priority)
        return LinkSync(attempt.event, shop.rules.metafield_namespace, writer, attempt.context)

    def skipped(self, verdict: Verdict, event: LinkEvent, state: TargetState) -> Result:
        return Result(verdict, shopify_id=event.record.shopify_id, heartland_id=event.record.heartland_id)


class LinkSync(RecordSync[Fields, None, SetMetafields]):
    """One link on its way to one shop."""

    def __init__(self, event: LinkEvent, namespace: str, writer: LinkWriter, context: CallContext) -> None:
        self._link = event.record
        self._fields = tuple(metafields(event.record, namespace))
        self._writer = writer
        self._context = context

    def desired(self) -> Fields:
        return self._fields

    async def actual(self, desired: Fields) -> None:
        """Not read: setting a metafield to the value it has changes nothing."""

    def plan(self, desired: Fields, actual: None) -> Plan[SetMetafields]:
        return Plan((SetMetafields(desired),) if desired else ())

    async def execute(self, step: SetMetafields, actual: None) -> None:
        """Raises RetryLater where Shopify refuses the metafields."""
        try:
            await self._writer.write(list(step.fields), self._context.subjects)
        except UserErrors as error:
            # Right after an order was made its metafields can be refused; a deleted order is refused for good.
            raise RetryLater(error.reason) from error

    def result(self, actual: None) -> Result:
        if not self._fields:
            return Result("skipped", f"links of the entity {self._link.entity} are not kept in Shopify")
        return Result("applied", shopify_id=self._link.shopify_id, heartland_id=self._link.heartland_id)
