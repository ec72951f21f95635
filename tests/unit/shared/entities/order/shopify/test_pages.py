"""However long an order is, all of it is read, and of one state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from shared.connectors.shopify.document import Document
from shared.entities.order.shopify.documents import (
    LINES,
    MANY,
    METAFIELDS,
    READ_ORDERS,
    REFUND_LINES,
    REFUNDS,
    SHIPPING_LINES,
    TRANSACTIONS,
)
from shared.entities.order.shopify.pages import complete, is_whole, read_orders
from shared.errors import NeedsReview, RetryLater, TargetDown
from tests.support.orders import Node, an_order_node, line_node, page, refund_node, shipping_node, transaction_node


class Shelf:
    """Serves follow-up pages of `whole`, a few entries at a time."""

    def __init__(self, whole: Node, size: int = 50) -> None:
        self.whole = whole
        self.size = size
        self.asked: list[str] = []

    async def execute(self, document: Document, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append(document.name)
        node = next((r for r in self.whole["refunds"] if r["id"] == variables["id"]), self.whole)
        field = {
            "ReadOrderLines": "lineItems",
            "ReadOrderShipping": "shippingLines",
            "ReadOrderMetafields": "metafields",
            "ReadOrderTransactions": "transactions",
            "ReadOrderRefunds": "refunds",
            "ReadRefundLines": "refundLineItems",
        }[document.name]
        answer = {"id": node["id"], "updatedAt": self.whole["updatedAt"]}
        if isinstance(node[field], list):
            bare = [{k: v for k, v in entry.items() if k != "refundLineItems"} for entry in node[field]]
            return {"node": {**answer, field: bare}}
        return {"node": {**answer, field: cut(node[field]["nodes"], self.size, int(variables.get("after") or 0))}}


def cut(nodes: list[Node], size: int, after: int = 0) -> Node:
    end = after + size
    return page(nodes[after:end], str(end) if end < len(nodes) else None)


def first_page(whole: Node) -> Node:
    """What READ_ORDERS would give of `whole`."""
    refunds = [
        {**r, "refundLineItems": cut(r["refundLineItems"]["nodes"], REFUND_LINES)} for r in whole["refunds"][:REFUNDS]
    ]
    return {
        **whole,
        "lineItems": cut(whole["lineItems"]["nodes"], LINES),
        "shippingLines": cut(whole["shippingLines"]["nodes"], SHIPPING_LINES),
        "metafields": cut(whole["metafields"]["nodes"], METAFIELDS),
        "transactions": whole["transactions"][:TRANSACTIONS],
        "refunds": refunds,
    }


async def test_an_order_that_fits_is_not_asked_for_again() -> None:
    node = an_order_node()
    shelf = Shelf(node)

    assert await complete(node, shelf.execute) is node
    assert not shelf.asked


@pytest.mark.parametrize("count", [7, 8, 57, 58, 500])
async def test_no_line_is_lost(count: int) -> None:
    whole = an_order_node(lineItems=page([line_node(number) for number in range(count)]))
    shelf = Shelf(whole)

    read = await complete(first_page(whole), shelf.execute)

    assert [line["id"] for line in read["lineItems"]["nodes"]] == [
        f"gid://shopify/LineItem/{9000 + n}" for n in range(count)
    ]
    assert len(shelf.asked) == -(-max(0, count - LINES) // 50)


async def test_everything_else_that_is_long_is_read_too() -> None:
    refunds = [refund_node(number, "1.00", [(line, 1) for line in range(number * 30)]) for number in range(1, 6)]
    whole = an_order_node(
        shippingLines=page([shipping_node(id=f"gid://shopify/ShippingLine/{n}") for n in range(9)]),
        metafields=page([{"namespace": "custom", "key": str(n), "value": "x"} for n in range(120)]),
        transactions=[transaction_node("1.00", n) for n in range(40)],
        refunds=refunds,
    )

    read = await complete(first_page(whole), Shelf(whole).execute)

    assert [len(read[field]["nodes"]) for field in ("shippingLines", "metafields")] == [9, 120]
    assert len(read["transactions"]) == 40
    assert [len(refund["refundLineItems"]["nodes"]) for refund in read["refunds"]] == [30, 60, 90, 120, 150]


async def test_a_full_list_is_not_taken_for_the_whole_list() -> None:
    assert not is_whole(an_order_node(transactions=[transaction_node("1.00", n) for n in range(TRANSACTIONS)]))
    assert is_whole(an_order_node(transactions=[transaction_node("1.00", n) for n in range(TRANSACTIONS - 1)]))


async def test_an_order_that_changes_while_it_is_read_is_read_again_later() -> None:
    whole = an_order_node(lineItems=page([line_node(number) for number in range(20)]))
    changed = {**whole, "updatedAt": "2026-11-20T10:00:01Z"}

    with pytest.raises(RetryLater, match="changed while"):
        await complete(first_page(whole), Shelf(changed).execute)


async def test_a_list_longer_than_shopify_shows_goes_to_a_person() -> None:
    whole = an_order_node(transactions=[transaction_node("0.01", n) for n in range(MANY)])

    with pytest.raises(NeedsReview, match="200"):
        await complete(first_page(whole), Shelf(whole).execute)


async def test_pages_that_turn_in_a_circle_come_to_an_end() -> None:
    whole = an_order_node(lineItems=page([line_node(number) for number in range(20)]))

    async def circle(document: Document, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"node": {"updatedAt": whole["updatedAt"], "lineItems": page([line_node(1)], str(LINES))}}

    with pytest.raises(RetryLater, match="returned the same page"):
        await complete(first_page(whole), circle)


@pytest.mark.parametrize(
    "answer", [{"node": {"updatedAt": "2026-11-20T10:00:00Z"}}, {"node": 7}, {"node": {"updatedAt": 1}}]
)
async def test_an_answer_of_another_shape_is_none(answer: dict[str, Any]) -> None:
    async def execute(document: Document, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        return answer

    with pytest.raises((TargetDown, RetryLater)):
        await complete(first_page(an_order_node(lineItems=page([line_node(n) for n in range(20)]))), execute)


async def test_orders_come_by_their_ids_and_missing_ones_as_none() -> None:
    async def execute(document: Document, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        assert document is READ_ORDERS
        assert variables["ids"] == [f"gid://shopify/Order/{n}" for n in (1, 2, 3)]
        return {"nodes": [an_order_node("1"), None, {}]}

    found = await read_orders(["1", "2", "3"], execute)

    assert (found["1"] or {})["name"] == "#1001"
    assert (found["2"], found["3"]) == (None, None)


async def test_too_few_entries_are_not_matched_up() -> None:
    async def execute(document: Document, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"nodes": [an_order_node("1")]}

    with pytest.raises(TargetDown):
        await read_orders(["1", "2"], execute)
