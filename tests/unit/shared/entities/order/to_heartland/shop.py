"""One writer against one Heartland in memory: deliver orders, break things, restart, look."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from shared.canonical.event import content_hash
from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.clients import HeartlandConnection
from shared.connectors.heartland.settings import HeartlandSettings
from shared.entities.order.event import OrderEvent
from shared.entities.order.record import Order
from shared.entities.order.to_heartland.account import Account, open_account
from shared.entities.order.to_heartland.handler import AwaitedItems
from shared.entities.order.to_heartland.order_sync import OrderInHeartland
from shared.errors import OutcomeUnknown, RetryLater, TargetDown
from shared.messaging.envelope import Envelope, new_traceparent
from shared.messaging.record import Record, Result
from shared.state.connections import Connection
from shared.sync.misconfigured import ConnectionReviews
from shared.sync.sync import Sync
from tests.support.clock import FakeClock
from tests.support.memory_ledger import MemoryLedger
from tests.support.memory_state import (
    START,
    MemoryAtomicWriter,
    MemoryProducer,
    MemoryReviews,
    MemoryTargetStates,
    Points,
    Stored,
)
from tests.unit.shared.entities.order.to_heartland.heartland import FakeHeartland


class Crash(BaseException):
    """The process is gone."""


class Shop:
    def __init__(self, *, lag_seconds: float = 0.0, tax_rate: str = "0", **settings: Any) -> None:
        self.clock = FakeClock(START)
        self.points = Points()
        self.stored = Stored()
        self.heartland = FakeHeartland(self.clock, self.points, lag_seconds=lag_seconds, tax_rate=tax_rate)
        self.heartland.put_item("SKU-1", "SKU-2", "SKU-3")
        self.locations = self.heartland.made_locations
        self.read_lag_seconds = lag_seconds
        self.settings = {"heartland": {"order": settings}}
        self.partition_taken_at: datetime | None = None
        self.restart()
        # Another process, which has been running all the time without owning anything.
        self.standby = self.a_process()

    def restart(self) -> None:
        """A new process: only what is stored remains."""
        self.account, self.orders = self.a_process()

    def take_over(self) -> None:
        """The other process gets the partition."""
        self.partition_taken_at = self.clock.now()
        (self.account, self.orders), self.standby = self.standby, (self.account, self.orders)

    async def taken_at(self, topic: str, partition: int) -> datetime | None:
        taken: datetime | None = await self.points.at("epochs.taken_at", lambda: self.partition_taken_at)
        return taken

    def a_process(self, definitions_version: int = 0) -> tuple[Account, Sync[OrderEvent]]:
        ledger: Any = MemoryLedger(self.clock, self.stored, self.points.at)
        writer: Any = MemoryAtomicWriter(self.stored, ledger, self.points)
        states: Any = MemoryTargetStates(self.stored, self.points)
        producer: Any = MemoryProducer(self.stored, self.points)
        reviews: Any = MemoryReviews(self.stored, self.points)
        epochs: Any = self
        connection = Connection("acme", {}, self.settings, definitions_version)
        there = HeartlandConnection(
            connection, HeartlandClient(self.heartland), HeartlandSettings(read_lag_seconds=self.read_lag_seconds)
        )
        account = open_account(there, ledger=ledger, clock=self.clock, item_window_seconds=0)
        orders = Sync(
            OrderInHeartland(lambda _: account, self.clock, producer),
            writer=writer,
            clock=self.clock,
            states=states,
            epochs=epochs,
            connections=ConnectionReviews(reviews),
        )
        return account, orders

    async def existing(self, names: set[str]) -> set[str]:
        return await AwaitedItems(lambda _: self.account).existing(names)

    async def deliver(self, *orders: Order) -> Result:
        return await self.orders.handle([a_record(order) for order in orders])

    async def deliver_until_done(
        self, order: Order, restart_seconds: float = 1.0, *, elsewhere: bool = False
    ) -> Result:
        """What the consumer does: again after the wait the error asks for, in a new process after a crash."""
        for _ in range(12):
            try:
                return await self.deliver(order)
            except Crash:
                self.clock.advance(restart_seconds)
                if elsewhere:
                    self.take_over()
                else:
                    self.restart()
            except (OutcomeUnknown, TargetDown, RetryLater) as error:
                self.clock.advance(max(error.after or 0.0, 0.5))
        raise AssertionError("never done")

    def strike_at(self, number: int, error: Callable[[], BaseException], *, after: bool) -> None:
        """Raise at this await of the writer, once, before or after the thing is done."""

        def strike(at: int, name: str, is_after: bool) -> None:
            if at == number and is_after == after:
                raise error()

        self.points.strike = strike

    def order(self) -> dict[str, Any]:
        (order,) = self.heartland.all("orders")
        return order

    def lines(self) -> list[tuple[Any, ...]]:
        skus = {row["id"]: row["public_id"] for row in self.heartland.all("items")}
        rows = self.heartland.all("lines", order=self.order()["id"])
        return [(skus[row["item_id"]], row["qty"], str(row["adjusted_unit_price"])) for row in rows]

    def calls(self) -> list[str]:
        return [name for name in self.points.passed if name.split()[0] in ("GET", "POST", "PUT", "DELETE")]


def a_record(order: Order, offset: int = 1) -> Record:
    ours = frozenset({"updated_at", "metafields"})
    event = OrderEvent(
        schema_name="tillbridge.order/1",
        connection="acme",
        entity="order",
        source="shopify",
        key=order.id,
        version=order.updated_at,
        content_hash=content_hash(order, ignore=ours),
        lineage=("hook-1",),
        read_at=order.updated_at,
        record=order,
    )
    envelope = Envelope(
        id=f"order:{order.id}:{order.updated_at.isoformat()}",
        source="shopify",
        type="canonical.order",
        time=order.updated_at,
        connection="acme",
        entity="order",
        subject=order.id,
        body=event.model_dump_json().encode(),
        traceparent=new_traceparent(),
    )
    return Record(envelope, "canonical.order", 0, offset, 0)
