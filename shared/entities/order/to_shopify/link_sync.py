"""Writes a canonical link to Shopify: Heartland's ids become metafields of the Shopify order.

The sequence is in shared/sync/sync.py; this module is the link's part of it. Setting a metafield to the value it
already has changes nothing, so nothing is read before, and there is no version gate.
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
from shared.sync.record_sync import Attempt, RecordSync

ENTITY = "link"
Fields = tuple[dict[str, str], ...]


@dataclass(frozen=True, slots=True)
class SetMetafields:
    """Set the metafields of one order."""

    fields: Fields


class LinkWriters:
    """One `LinkWriter` per shop and priority, so that no live link waits for one of lower priority."""

    def __init__(self, batch_seconds: float) -> None:
        self._batch_seconds = batch_seconds
        self._writers: dict[tuple[str, Priority], tuple[ShopifyClient, LinkWriter]] = {}

    def get(self, shop: ShopifyConnection, priority: Priority) -> LinkWriter:
        """The writer of this shop and priority; a new one if the shop's client has changed."""
        key = (shop.connection.name, priority)
        cached = self._writers.get(key)
        if cached is None or cached[0] is not shop.client:
            writer = LinkWriter(shop.client, priority, self._batch_seconds)
            cached = self._writers[key] = (shop.client, writer)
        return cached[1]


@dataclass(frozen=True, slots=True)
class LinkInShopify:
    """Links with Shopify as their target: see `shared.sync.record_sync.SyncedEntity`.

    `shop_of` returns the shop of a connection.
    """

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
        return LinkSync(attempt.event, shop.settings.metafield_namespace, writer, attempt.context)

    def skipped(self, verdict: Verdict, event: LinkEvent, state: TargetState) -> Result:
        return Result(verdict, shopify_id=event.record.shopify_id, heartland_id=event.record.heartland_id)


class LinkSync(RecordSync[Fields, None, SetMetafields]):
    """One attempt to write one link to one shop."""

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
        """Raises RetryLater if Shopify refuses the metafields."""
        try:
            await self._writer.write(list(step.fields), self._context.subjects)
        except UserErrors as error:
            # Shopify may refuse metafields of a new order, which a retry solves, and refuses those of a deleted one.
            raise RetryLater(error.reason) from error

    def result(self, actual: None) -> Result:
        if not self._fields:
            return Result("skipped", f"links of the entity {self._link.entity} are not stored in Shopify")
        return Result("applied", shopify_id=self._link.shopify_id, heartland_id=self._link.heartland_id)
