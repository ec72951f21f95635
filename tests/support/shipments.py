"""Builders for shipment tests: invoices, canonical fulfilments, an in-memory ledger, the sandbox's shop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from shared.canonical.event import content_hash
from shared.connectors.shopify.clients import ShopifyConnection
from shared.connectors.shopify.settings import ShopifySettings
from shared.entities.fulfilment.event import FulfilmentEvent
from shared.entities.fulfilment.record import Fulfilment, ShippedLine
from shared.entities.fulfilment.to_shopify.fulfilment_sync import FulfilmentInShopify
from shared.messaging.record import Record, Result
from shared.state.connections import Connection
from shared.sync.create_once import CreateOnce, ReadLag
from shared.sync.sync import Sync
from tests.support.clock import FakeClock
from tests.support.memory_ledger import MemoryLedger
from tests.support.memory_state import MemoryAtomicWriter, Points, Stored
from tests.support.messaging import a_record
from tests.support.sandbox import Sandbox
from tests.support.shop_server import sandbox_client

SHIPPED_AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
ORDER = 5001
Json = dict[str, Any]


def shipped(sku: str, quantity: int = 1, *, item: str = "", order_line: str = "") -> ShippedLine:
    """Heartland's item id is the SKU, unless given."""
    return ShippedLine(sku=sku, item_id=item or sku or "MISC", quantity=quantity, order_line_id=order_line)


def a_shipment(*lines: ShippedLine, tracking: str = "", **changes: Any) -> Fulfilment:
    values: Json = {
        "id": "100877",
        "order_id": str(ORDER),
        "heartland_order_id": "100200",
        "completed_at": SHIPPED_AT,
        "lines": lines,
        "tracking_number": tracking,
        "carrier": "UPS" if tracking else "",
    }
    return Fulfilment(**{**values, **changes})


def an_event(record: Fulfilment, later: float = 0) -> FulfilmentEvent:
    """The event of the invoice as it stood `later` seconds after it was completed."""
    return FulfilmentEvent(
        schema_name="tillbridge.fulfilment/1",
        connection="main",
        entity="fulfilment",
        source="heartland",
        key=record.order_id,
        version=record.completed_at + timedelta(seconds=later),
        content_hash=content_hash(record),
        lineage=("n1",),
        read_at=record.completed_at,
        record=record,
    )


def a_shipment_record(record: Fulfilment, later: float = 0) -> Record:
    """The canonical event as the writer gets it."""
    return a_record(record.order_id, body=an_event(record, later).model_dump_json().encode())


def an_invoice(number: int = 100877, **changes: Any) -> Json:
    """A completed invoice as Heartland's REST shows it."""
    row: Json = {
        "id": number,
        "public_id": str(number),
        "type": "Invoice",
        "status": "complete",
        "completed?": True,
        "voided?": False,
        "order_id": 100200,
        "source_location_id": 100005,
        "completed_at": "2026-11-21T09:00:00+00:00",
        "updated_at": "2026-11-21T09:00:00+00:00",
        "custom": {},
    }
    return {**row, **changes}


def an_invoice_line(item: int = 100301, qty: Any = 1, **changes: Any) -> Json:
    return {"id": 7, "type": "ItemLine", "item_id": item, "qty": qty, "custom": {}, **changes}


@dataclass
class Shop:
    """The sandbox's shop and a shipment writer for it."""

    sandbox: Sandbox
    ledger: Any = None
    clock: Any = field(default_factory=FakeClock)
    read_lag_seconds: float = 10.0
    writer: Any = None
    taken_at: datetime | None = None
    # What the question for it passes through.
    at: Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]] | None = None

    def __post_init__(self) -> None:
        self.client: Any = sandbox_client(self.sandbox)
        self.ledger = self.ledger or MemoryLedger(self.clock, Stored())
        self.writer = self.writer or MemoryAtomicWriter(self.ledger.stored, self.ledger, Points())
        self.locations: dict[str, str] = {}
        self.restart()

    def restart(self) -> None:
        """Starts a new writer, as after a restart of its process."""
        create_once = CreateOnce(self.ledger, self.clock)
        entity = FulfilmentInShopify(self._shop, self.ledger, create_once, ReadLag(self.read_lag_seconds))
        epochs: Any = SimpleNamespace(taken_at=self._taken_at)
        self.shipments = Sync(entity, writer=self.writer, clock=self.clock, epochs=epochs)

    async def _taken_at(self, topic: str, partition: int) -> datetime | None:
        async def answer() -> datetime | None:
            return self.taken_at

        found: datetime | None = await (self.at("taken_at", answer) if self.at else answer())
        return found

    def _shop(self, _: str) -> Any:
        settings = {"shopify": {"fulfilment": {"location_map": dict(self.locations)}}}
        client: Any = self.client
        return ShopifyConnection(Connection("main", {}, settings), client, ShopifySettings())

    async def place(self, *lines: tuple[str, int], order: int = ORDER, **changes: Any) -> None:
        """An order; its line ids are the order's id times ten plus 1, 2, 3."""
        body = {
            "id": order, "name": f"#{order}", "currency": "USD", "total_price": "10.00", "items": False,
            "line_items": [
                {"id": order * 10 + number, "sku": sku, "title": sku or "Wrap", "quantity": quantity, "price": "1.00"}
                for number, (sku, quantity) in enumerate(lines, start=1)
            ],
            **changes,
        }  # fmt: skip
        await self.sandbox.control("POST", "/shopify/orders", body)

    async def ship(self, record: Fulfilment, later: float = 0, location: str = "") -> Result:
        """`location` is the Shopify location of the record's, a gid."""
        self.locations = {record.location_id: location}
        return await self.shipments.handle([a_shipment_record(record, later)])

    async def picture(self, order: int = ORDER) -> Json:
        found: Json = await self.sandbox.control("GET", f"/shopify/orders/{order}")
        return found

    async def fulfilments(self, order: int = ORDER) -> list[Json]:
        found: list[Json] = (await self.picture(order))["fulfillments"]
        return found

    async def units(self, order: int = ORDER) -> list[dict[str, int]]:
        """SKU -> units, of each fulfilment."""
        rows = await self.fulfilments(order)
        return [{line["sku"]: line["quantity"] for line in row["line_items"]} for row in rows]

    async def writes(self) -> list[str]:
        return [entry["operation"] for entry in await self.sandbox.journal("shopify")]
