"""Writes a Heartland shipment to Shopify: one fulfilment per invoice and location. Idempotent.

The sequence is in shared/sync/sync.py; this module is the fulfilment's part of it. A fulfilment is a fact, so there is
no version gate: the ledger shows which calls were made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shared.canonical.event import read_event
from shared.connectors.shopify.clients import ShopifyConnection
from shared.entities.fulfilment.event import FulfilmentEvent
from shared.entities.fulfilment.settings import ShopifyFulfilmentSettings
from shared.entities.fulfilment.to_shopify.actual import ENTITY, ActualShipment, ShipmentReader
from shared.entities.fulfilment.to_shopify.desired import DesiredShipment, desired_shipment
from shared.entities.fulfilment.to_shopify.execute import execute
from shared.entities.fulfilment.to_shopify.history import id_of_gid
from shared.entities.fulfilment.to_shopify.plan import plan_shipment
from shared.entities.fulfilment.to_shopify.steps import Step
from shared.messaging.record import Result
from shared.state.atomic_write import Intent
from shared.state.ledger import Effect, Ledger
from shared.state.target_state import TargetState
from shared.state.versions import Verdict
from shared.sync.create_once import CreateOnce, ReadLag
from shared.sync.plan import Plan
from shared.sync.record_sync import Attempt, RecordSync


@dataclass(frozen=True, slots=True)
class FulfilmentInShopify:
    """Fulfilments with Shopify as their target: see `shared.sync.record_sync.SyncedEntity`.

    `shop_of` returns the shop of a connection.
    """

    shop_of: Callable[[str], ShopifyConnection]
    ledger: Ledger
    create_once: CreateOnce
    lag: ReadLag
    entity: str = ENTITY
    target: str = "shopify"
    review_kinds: Sequence[str] = ()

    def read(self, body: bytes) -> FulfilmentEvent:
        return read_event(FulfilmentEvent, body, ENTITY)

    def customer_of(self, event: FulfilmentEvent) -> str:
        return ""

    def definitions_version(self, connection: str) -> int:
        return self.shop_of(connection).connection.definitions_version

    def open(self, attempt: Attempt[FulfilmentEvent]) -> FulfilmentSync:
        event = attempt.event
        shop = self.shop_of(event.connection)
        reader = ShipmentReader(
            connection=event.connection,
            order_id=event.record.order_id,
            shopify=shop.client,
            ledger=self.ledger,
            create_once=self.create_once,
            lag=self.lag,
            work=attempt.work,
            context=attempt.context,
        )
        return FulfilmentSync(event, shop, reader)

    def skipped(self, verdict: Verdict, event: FulfilmentEvent, state: TargetState) -> Result:
        return Result(verdict, shopify_id=event.record.order_id, heartland_id=event.record.heartland_order_id)


class FulfilmentSync(RecordSync[DesiredShipment, ActualShipment, Step]):
    """One attempt to write one invoice to one shop."""

    def __init__(self, event: FulfilmentEvent, shop: ShopifyConnection, reader: ShipmentReader) -> None:
        self._event = event
        self._reader = reader
        chosen = shop.section("fulfilment", ShopifyFulfilmentSettings)
        self._desired = desired_shipment(event, chosen.location_map.get(event.record.location_id, ""))

    def desired(self) -> DesiredShipment:
        return self._desired

    async def actual(self, desired: DesiredShipment) -> ActualShipment:
        return await self._reader.read(desired)

    def plan(self, desired: DesiredShipment, actual: ActualShipment) -> Plan[Step]:
        return plan_shipment(desired, actual)

    def effects(self, plan: Plan[Step]) -> Mapping[Effect, Intent | None]:
        return {self._reader.effect(step.operation): step.intent for step in plan.steps}

    async def execute(self, step: Step, actual: ActualShipment) -> ActualShipment:
        return await execute(step, actual, self._desired, self._reader)

    def result(self, actual: ActualShipment) -> Result:
        record, earlier = self._event.record, actual.history.invoice_fulfilments()
        detail = f"invoice {record.id} -> {', '.join(map(id_of_gid, [*earlier, *actual.made])) or 'nothing to ship'}"
        return Result(
            outcome="applied" if actual.made or actual.changed else "duplicate" if earlier else "skipped",
            order_number=str(actual.order.get("name") or ""),
            shopify_id=record.order_id,
            heartland_id=record.heartland_order_id,
            detail=f"{detail}, new tracking" if actual.changed else detail,
        )
