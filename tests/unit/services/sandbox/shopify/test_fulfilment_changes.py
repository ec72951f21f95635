"""Fulfilments through the API, with the rules that the schema does not express."""

from __future__ import annotations

from typing import Any

import pytest

from services.sandbox.shopify.shop import Shop
from tests.unit.services.sandbox.shopify.builders import a_line, an_order
from tests.unit.services.sandbox.shopify.conftest import Ask

Json = dict[str, Any]
CREATE = """mutation Ship($f: FulfillmentInput!) { fulfillmentCreate(fulfillment: $f) {
  fulfillment { id name status displayStatus totalQuantity trackingInfo(first: 5) { company number url } }
  userErrors { field message } } }"""
OPEN = """query($id: ID!) { order(id: $id) { displayFulfillmentStatus fulfillmentOrders(first: 9) { nodes {
  id status supportedActions { action } assignedLocation { name location { id } }
  lineItems(first: 50) { nodes { id totalQuantity remainingQuantity sku lineItem { id } } } } } } }"""


def opened(ask: Ask, number: int = 5001) -> list[Json]:
    found = ask(OPEN, id=f"gid://shopify/Order/{number}")["order"]
    nodes: list[Json] = found["fulfillmentOrders"]["nodes"]
    return nodes


def ship(ask: Ask, *wishes: tuple[str, list[tuple[str, int]] | None], **more: Any) -> Json:
    groups = []
    for order, lines in wishes:
        group: Json = {"fulfillmentOrderId": order}
        if lines is not None:
            group["fulfillmentOrderLineItems"] = [{"id": line, "quantity": units} for line, units in lines]
        groups.append(group)
    found: Json = ask(CREATE, f={"lineItemsByFulfillmentOrder": groups, **more})["fulfillmentCreate"]
    return found


@pytest.fixture
def order(shop: Shop) -> Json:
    return shop.take(an_order(line_items=[a_line(1), a_line(2, quantity=3)]))


def test_an_order_opens_one_fulfilment_order_for_all_lines(order: Json, ask: Ask) -> None:
    (found,) = opened(ask)

    assert found["status"] == "OPEN"
    assert {"action": "CREATE_FULFILLMENT"} in found["supportedActions"]
    rows = [(row["sku"], row["totalQuantity"], row["remainingQuantity"]) for row in found["lineItems"]["nodes"]]
    assert rows == [("SKU-1", 2, 2), ("SKU-2", 3, 3)]


def test_lines_can_lie_at_several_locations(shop: Shop, ask: Ask) -> None:
    places = [
        {"location_id": 61_000_000_001, "line_items": [{"line_item_id": 9001, "quantity": 1}]},
        {"location_id": 61_000_000_002, "line_items": [{"line_item_id": 9001, "quantity": 1}]},
    ]
    shop.take(an_order(fulfillment_orders=places))

    assert [order["assignedLocation"]["name"] for order in opened(ask)] == ["Main Street", "Warehouse"]


def test_part_of_an_order_ships(order: Json, ask: Ask, announced: list[Any]) -> None:
    (found,) = opened(ask)
    line = found["lineItems"]["nodes"][1]["id"]

    answer = ship(
        ask, (found["id"], [(line, 2)]), trackingInfo={"company": "UPS", "number": "1Z", "url": "https://t.test/1Z"}
    )

    assert answer["userErrors"] == []
    assert answer["fulfillment"]["totalQuantity"] == 2
    assert answer["fulfillment"]["trackingInfo"] == [{"company": "UPS", "number": "1Z", "url": "https://t.test/1Z"}]
    (after,) = opened(ask)
    assert after["status"] == "IN_PROGRESS"
    assert [row["remainingQuantity"] for row in after["lineItems"]["nodes"]] == [2, 1]
    assert [topic for topic, _ in announced] == ["fulfillments/create", "orders/partially_fulfilled", "orders/updated"]


def test_everything_that_is_left_ships_without_naming_lines(order: Json, ask: Ask) -> None:
    (found,) = opened(ask)

    answer = ship(ask, (found["id"], None))

    assert answer["fulfillment"]["displayStatus"] == "FULFILLED"
    assert ask(OPEN, id="gid://shopify/Order/5001")["order"]["displayFulfillmentStatus"] == "FULFILLED"
    assert opened(ask)[0]["status"] == "CLOSED"


@pytest.mark.parametrize(
    ("units", "expected"),
    [(3, "Invalid fulfillment order line item quantity"), (0, "Invalid fulfillment order line item quantity")],
    ids=["more than remains", "none"],
)
def test_a_wrong_quantity_changes_nothing(order: Json, ask: Ask, units: int, expected: str) -> None:
    (found,) = opened(ask)
    first, second = (row["id"] for row in found["lineItems"]["nodes"])

    answer = ship(ask, (found["id"], [(second, 1), (first, units)]))

    assert answer["fulfillment"] is None
    assert expected in answer["userErrors"][0]["message"]
    assert opened(ask) == [found]


def test_line_ids_are_not_fulfilment_order_line_ids(order: Json, ask: Ask) -> None:
    (found,) = opened(ask)

    answer = ship(ask, (found["id"], [(found["lineItems"]["nodes"][0]["lineItem"]["id"], 1)]))

    assert answer["userErrors"][0]["message"] == "Fulfillment order line item does not exist."


def test_a_closed_fulfilment_order_rejects_fulfilments(order: Json, ask: Ask) -> None:
    (found,) = opened(ask)
    ship(ask, (found["id"], None))

    answer = ship(ask, (found["id"], None))

    assert "unfulfillable status= closed" in answer["userErrors"][0]["message"]


def test_an_unknown_id_is_rejected(ask: Ask) -> None:
    answer = ship(ask, ("gid://shopify/FulfillmentOrder/1", None))

    assert answer == {
        "fulfillment": None,
        "userErrors": [{"field": ["fulfillment"], "message": "Fulfillment order does not exist."}],
    }


def test_two_orders_do_not_ship_together(shop: Shop, order: Json, ask: Ask) -> None:
    shop.take(an_order(id=5002, line_items=[a_line(5)]))

    answer = ship(ask, (opened(ask)[0]["id"], None), (opened(ask, 5002)[0]["id"], None))

    assert answer["userErrors"][0]["message"] == "All fulfillment orders must belong to the same order."


def test_user_errors_have_no_code(shop: Shop) -> None:
    from services.sandbox.shopify.endpoint import Endpoint

    text = CREATE.replace("field message", "code")
    result, _ = Endpoint(shop).run({"query": text, "variables": {"f": {"lineItemsByFulfillmentOrder": []}}})

    assert result["errors"][0]["extensions"]["code"] == "undefinedField"


def test_tracking_is_replaced(order: Json, ask: Ask, announced: list[Any]) -> None:
    (found,) = opened(ask)
    shipped = ship(ask, (found["id"], None), trackingInfo={"number": "1"})["fulfillment"]["id"]
    text = """mutation($id: ID!, $t: FulfillmentTrackingInput!) { fulfillmentTrackingInfoUpdate(
        fulfillmentId: $id, trackingInfoInput: $t) { fulfillment { trackingInfo { number } }
        userErrors { message } } }"""

    answer = ask(text, id=shipped, t={"numbers": ["2", "3"]})["fulfillmentTrackingInfoUpdate"]

    assert answer["fulfillment"]["trackingInfo"] == [{"number": "2"}, {"number": "3"}]
    assert announced[-2][0] == "fulfillments/update"


def test_a_cancelled_fulfilment_gives_its_units_back(order: Json, ask: Ask) -> None:
    (found,) = opened(ask)
    shipped = ship(ask, (found["id"], None))["fulfillment"]["id"]

    text = "mutation($id: ID!) { fulfillmentCancel(id: $id) { fulfillment { status } userErrors { message } } }"
    answer = ask(text, id=shipped)["fulfillmentCancel"]

    assert answer == {"fulfillment": {"status": "CANCELLED"}, "userErrors": []}
    (after,) = opened(ask)
    assert [row["remainingQuantity"] for row in after["lineItems"]["nodes"]] == [2, 3]
    assert after["status"] == "OPEN"
    assert ask(text, id=shipped)["fulfillmentCancel"]["userErrors"] == [{"message": "Fulfillment is already canceled."}]


def test_posted_fulfilments_reduce_what_is_left(shop: Shop, ask: Ask) -> None:
    done = {"id": 1, "status": "success", "line_items": [{"id": 9001, "quantity": 1}]}
    failed = {"id": 2, "status": "failure", "line_items": [{"id": 9001, "quantity": 1}]}
    shop.take(an_order(fulfillments=[done, failed]))

    (found,) = opened(ask)

    assert found["status"] == "IN_PROGRESS"
    row = found["lineItems"]["nodes"][0]
    assert (row["totalQuantity"], row["remainingQuantity"]) == (2, 1)


def test_an_older_body_does_not_undo_a_fulfilment(shop: Shop, order: Json, ask: Ask) -> None:
    (found,) = opened(ask)
    ship(ask, (found["id"], None))

    shop.take(an_order(line_items=[a_line(1), a_line(2, quantity=3)], note="hello"))

    assert opened(ask)[0]["status"] == "CLOSED"
    query = "query($id: ID!) { order(id: $id) { note fulfillments { totalQuantity } } }"
    assert ask(query, id="gid://shopify/Order/5001")["order"] == {
        "note": "hello",
        "fulfillments": [{"totalQuantity": 5}],
    }
