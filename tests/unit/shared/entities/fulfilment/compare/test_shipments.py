"""What the fulfilment adds to the snapshots of orders, against vendors in memory."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.clients import HeartlandConnection
from shared.connectors.heartland.settings import HeartlandSettings
from shared.connectors.heartland.transport import Answer, Query
from shared.connectors.shopify.document import Document
from shared.entities.fulfilment.compare.shipments import OrderShipments
from shared.entities.order.compare.snapshot import OrderSnapshot
from shared.errors import RetryLater, TargetDown
from shared.limits.call_context import REPAIR, CallContext
from shared.state.connections import Connection
from shared.sync.comparison import ReadResult
from tests.support.messaging import NOON
from tests.support.shipments import an_invoice, an_invoice_line
from tests.unit.shared.entities.order.compare.orders import in_agreement

LATER = NOON + timedelta(minutes=5)


class Store:
    """Heartland with these invoices; each ships one unit of item 100301. `error` is raised for lines."""

    call_seconds = 30.0

    def __init__(self, *invoices: dict[str, Any], error: Exception | None = None) -> None:
        self.invoices = invoices
        self.error = error
        self.contexts: set[CallContext] = set()

    async def send(
        self, method: str, path: str, *ids: int, query: Query = (), body: Any = None, context: CallContext
    ) -> Answer:
        self.contexts.add(context)
        if path == "sales/invoices":
            wanted = orjson.loads(dict(query)["_filter"]).get("order_id", {}).get("$in")
            return Answer([row for row in self.invoices if wanted is None or row["order_id"] in wanted])
        if path == "items":
            return Answer([{"id": 100301, "public_id": "TEE"}])
        if self.error is not None:
            raise self.error
        return Answer([an_invoice_line()])


class Harness:
    def __init__(self, store: Store, *, shopify_units: int = 0, fulfilled: Mapping[str, int] | None = None) -> None:
        self.units, self.fulfilled = shopify_units, fulfilled or {}
        client: Any = HeartlandClient(store)
        heartland = HeartlandConnection(Connection("main", {}), client, HeartlandSettings())
        vendors: Any = SimpleNamespace(shopify=SimpleNamespace(client=self), heartland=heartland)
        tools: Any = SimpleNamespace(database=self)
        self.shipments = OrderShipments("main", vendors, tools)

    async def execute(self, document: Document, variables: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
        assert context == REPAIR
        made = [{"status": "SUCCESS", "totalQuantity": self.units}]
        return {
            "nodes": [{"legacyResourceId": gid.rpartition("/")[2], "fulfillments": made} for gid in variables["ids"]]
        }

    async def fetch(self, sql: str, connection: str, keys: list[str], operation: str) -> list[dict[str, Any]]:
        part = {"fulfilment_order": "", "line": "", "order_line": "", "location": "", "item": "TEE"}
        return [
            {
                "key": keys[0],
                "operation": f"fulfilment:{invoice}:9",
                "result": {"parts": [{**part, "quantity": units}], "tracking": {}, "before": []},
            }
            for invoice, units in self.fulfilled.items()
        ]

    async def complete(self, snapshot: OrderSnapshot) -> ReadResult[OrderSnapshot]:
        return await self.shipments.complete(ReadResult([snapshot], {}))


def invoice(number: int, **changes: Any) -> dict[str, Any]:
    return an_invoice(number, order_id=100001, updated_at=LATER.isoformat(), **changes)


async def test_an_invoice_without_a_fulfilment_is_unknown_with_its_units() -> None:
    store = Store(invoice(7))
    [snapshot] = (await Harness(store, shopify_units=3).complete(in_agreement())).snapshots

    assert snapshot.heartland is not None
    assert (snapshot.heartland.unfulfilled_invoices, snapshot.heartland.changed_at, snapshot.fulfilled_units) == (
        {"7": 1},
        LATER,
        3,
    )
    assert store.contexts == {REPAIR}


async def test_what_we_fulfilled_is_known_by_invoice() -> None:
    [snapshot] = (await Harness(Store(invoice(7)), fulfilled={"7": 1}).complete(in_agreement())).snapshots

    assert snapshot.heartland is not None
    assert (snapshot.heartland.unfulfilled_invoices, snapshot.stored.fulfilled_by_invoice) == ({}, {"7": 1})


@pytest.mark.parametrize("changes", [{"status": "pending"}, {"voided?": True}], ids=["not completed", "voided"])
async def test_an_invoice_that_is_no_shipment_counts_for_nothing(changes: dict[str, Any]) -> None:
    row = {**invoice(7), **changes}
    [snapshot] = (await Harness(Store(row)).complete(in_agreement())).snapshots

    assert snapshot.heartland is not None
    assert snapshot.heartland.unfulfilled_invoices == {}


async def test_an_order_whose_invoice_cannot_be_read_is_unread() -> None:
    snapshot = await Harness(Store(invoice(7), error=RetryLater("it cannot be read"))).complete(in_agreement())

    assert (snapshot.snapshots, snapshot.unread) == ([], {in_agreement().key: "it cannot be read"})


async def test_an_outage_ends_the_pass() -> None:
    with pytest.raises(TargetDown):
        await Harness(Store(invoice(7), error=TargetDown("away", target="heartland"))).complete(in_agreement())


async def test_orders_are_listed_by_the_newest_change_of_an_invoice() -> None:
    rows = [invoice(7), {**invoice(8), "updated_at": NOON.isoformat()}, {**invoice(9), "order_id": 100002}]

    assert await Harness(Store(*rows)).shipments.changed_since(NOON) == {"100001": LATER, "100002": LATER}
