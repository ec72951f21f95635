"""One order that cannot be read keeps only itself from being compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import pytest

from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.clients import HeartlandConnection
from shared.connectors.heartland.settings import HeartlandSettings
from shared.connectors.heartland.transport import Answer, Query
from shared.connectors.shopify.clients import ShopifyConnection
from shared.connectors.shopify.document import Document
from shared.connectors.shopify.settings import ShopifySettings
from shared.entities.order.compare.reader import Reader, ReadResult
from shared.entities.order.compare.snapshot import StoredOrderState
from shared.entities.order.compare.stored_state import StoredOrders
from shared.entities.order.shopify.changed_orders import changed_orders
from shared.entities.order.shopify.documents import MANY, READ_ORDERS, TRANSACTIONS
from shared.errors import RetryLater, TargetDown
from shared.limits.call_context import CallContext
from shared.state.connections import Connection
from tests.support.messaging import NOON
from tests.support.orders import Node, an_order_node, transaction_node

WELL = an_order_node("5002")
LONG = an_order_node("5001", transactions=[transaction_node("1.00", number) for number in range(TRANSACTIONS)])
DOWN = TargetDown("Shopify is away", target="shopify")


class Shop:
    """Two orders, of which the first is asked for in further pages, which answer as told."""

    def __init__(self, first: Node, more: Any = None) -> None:
        self.first = first
        self.more = more

    def max_units(self, document: Document) -> int:
        return 50

    async def execute(
        self, document: Document, variables: Mapping[str, Any], context: CallContext
    ) -> Mapping[str, Any]:
        if document is READ_ORDERS:
            return {"nodes": [self.first, WELL]}
        if document.name == "ReadShipped":
            return {"nodes": []}
        if isinstance(self.more, Exception):
            raise self.more
        return {"node": self.more}


class Store:
    """One order for each of Shopify's; what is in `odd` raises."""

    def __init__(self, odd: Mapping[str, Exception], **figures: Any) -> None:
        self.odd = odd
        self.figures = figures

    call_seconds = 30.0

    async def send(
        self, method: str, path: str, *ids: int, query: Query = (), body: Any = None, context: CallContext
    ) -> Answer:
        condition = orjson.loads(dict(query)["_filter"])
        if path == "sales/invoices":
            return Answer([])
        if key := condition.get("custom@shopify_order_id"):
            if key in self.odd:
                raise self.odd[key]
            return Answer([{"id": int(key), "custom": {"shopify_order_id": key}}])
        return Answer([{"id": number, "status": "open", **self.figures} for number in condition["id"]["$in"]])


class Books:
    async def of(self, connection: str, keys: Sequence[str], now: datetime) -> StoredOrders:
        return StoredOrders({key: StoredOrderState() for key in keys})


async def read(shop: Shop, store: Store | None = None) -> ReadResult:
    connection, client = Connection("main", {}), HeartlandClient(store or Store({}))
    fake: Any = shop
    shopify = ShopifyConnection(connection, fake, ShopifySettings())
    heartland = HeartlandConnection(connection, client, HeartlandSettings())
    books: Any = Books()
    return await Reader("main", shopify, heartland, books).snapshots(["5001", "5002"], NOON)


def names(snapshot: ReadResult) -> tuple[list[str], list[str]]:
    return [one.order.id for one in snapshot.snapshots], list(snapshot.unread)


@pytest.mark.parametrize(
    "shop",
    [
        pytest.param(
            Shop(LONG, {**LONG, "transactions": [transaction_node("0.01", n) for n in range(MANY)]}), id="too long"
        ),
        pytest.param(Shop(LONG, {**LONG, "updatedAt": "2026-11-21T00:00:00Z"}), id="changed while being read"),
        pytest.param(Shop(LONG, {}), id="went away"),
        pytest.param(Shop({"id": "gid://shopify/Order/5001"}), id="lacks what was asked for"),
        pytest.param(Shop(an_order_node("5001", currencyCode="??")), id="is no order"),
    ],
)
async def test_an_order_that_shopify_states_oddly(shop: Shop) -> None:
    assert names(await read(shop)) == (["5002"], ["5001"])


async def test_an_order_that_heartland_states_oddly_is_not_taken_for_missing() -> None:
    snapshot = await read(Shop(an_order_node("5001")), Store({"5001": RetryLater("it cannot be read")}))

    assert names(snapshot) == (["5002"], ["5001"])


async def test_a_figure_that_is_no_number_is_not_known() -> None:
    snapshot = await read(Shop(an_order_node("5001")), Store({}, total="n/a", total_paid="12.50"))

    assert [(str(there.total), str(there.paid)) for one in snapshot.snapshots if (there := one.heartland)] == [
        ("None", "12.50"),
        ("None", "12.50"),
    ]


@pytest.mark.parametrize(
    ("shop", "store"),
    [
        pytest.param(Shop(LONG, DOWN), Store({}), id="Shopify"),
        pytest.param(
            Shop(an_order_node("5001")), Store({"5001": TargetDown("away", target="heartland")}), id="Heartland"
        ),
    ],
)
async def test_an_outage_ends_the_pass(shop: Shop, store: Store) -> None:
    with pytest.raises(TargetDown):
        await read(shop, store)


async def test_an_order_without_a_readable_time_is_listed_all_the_same() -> None:
    rows = [{"legacyResourceId": 5001, "name": "#1", "updatedAt": "yesterday"}]

    async def execute(document: Document, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"orders": {"pageInfo": {"hasNextPage": False}, "nodes": rows}}

    assert [(one.id, one.updated_at) async for one in changed_orders(execute, NOON)] == [("5001", NOON)]
