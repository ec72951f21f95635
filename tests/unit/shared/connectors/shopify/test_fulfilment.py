"""Shipped units find their fulfilment-order lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.canonical.fulfilment import Fulfilment, ShippedLine
from shared.connectors.shopify.fulfilment import (
    Part,
    Remaining,
    allocate,
    creation_input,
    find_created,
    remaining_lines,
    still_to_place,
)

SENT = datetime(2026, 3, 2, 12, tzinfo=UTC)
MAIN, ANNEX = "gid://shopify/Location/1", "gid://shopify/Location/2"


def left(line: str, sku: str, quantity: int, location: str = MAIN, held: bool = False) -> Remaining:
    return Remaining(f"fo-{location[-1]}", line, f"gid://shopify/LineItem/{line}", location, sku, quantity, held)


def shipped(sku: str, quantity: int, order_line: str = "") -> ShippedLine:
    return ShippedLine(sku=sku, item_id="100301", quantity=quantity, order_line_id=order_line)


def a_shipment(*lines: ShippedLine, tracking: str = "") -> Fulfilment:
    return Fulfilment(
        id="100877", order_id="5001", heartland_order_id="100200", completed_at=SENT, lines=lines,
        tracking_number=tracking, carrier="UPS" if tracking else "",
    )  # fmt: skip


def placed(allocation: Any) -> list[tuple[str, int]]:
    return [(part.line, part.quantity) for part in allocation.parts]


def test_a_whole_order_ships() -> None:
    result = allocate([shipped("TEE", 2), shipped("CAP", 1)], [left("1", "TEE", 2), left("2", "CAP", 1)], MAIN)

    assert placed(result) == [("1", 2), ("2", 1)]
    assert not result.missing


def test_the_shipping_location_comes_first_and_the_rest_goes_to_the_other() -> None:
    result = allocate([shipped("TEE", 3)], [left("1", "TEE", 2, MAIN), left("2", "TEE", 2, ANNEX)], ANNEX)

    assert placed(result) == [("2", 2), ("1", 1)]
    assert set(result.by_location()) == {MAIN, ANNEX}


def test_a_line_without_sku_is_found_by_its_order_line() -> None:
    result = allocate([shipped("", 1, order_line="9")], [left("8", "", 1), left("9", "", 1)], MAIN)

    assert placed(result) == [("9", 1)]


def test_more_than_what_is_left_is_reported_missing() -> None:
    result = allocate([shipped("TEE", 3)], [left("1", "TEE", 2)], MAIN)

    assert [line.quantity for line in result.missing] == [1]
    assert not result.held


def test_what_is_on_hold_is_not_shipped_and_said_so() -> None:
    result = allocate([shipped("TEE", 1)], [left("1", "TEE", 1, held=True)], MAIN)

    assert result.parts == ()
    assert result.held


def test_two_invoice_lines_of_one_sku_name_the_fulfilment_line_once() -> None:
    result = allocate([shipped("TEE", 2), shipped("TEE", 1)], [left("1", "TEE", 3)], MAIN)

    assert placed(result) == [("1", 3)]


@given(
    st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 5)), max_size=6),
    st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 5), st.sampled_from([MAIN, ANNEX])), max_size=8),
)
def test_no_unit_is_invented_or_lost(lines: list[tuple[str, int]], stock: list[tuple[str, int, str]]) -> None:
    remaining = [left(str(number), sku, quantity, place) for number, (sku, quantity, place) in enumerate(stock)]
    result = allocate([shipped(sku, quantity) for sku, quantity in lines], remaining, MAIN)

    capacity = {entry.line: entry.quantity for entry in remaining}
    assert all(part.quantity <= capacity[part.line] for part in result.parts)
    units = sum(part.quantity for part in result.parts) + sum(line.quantity for line in result.missing)
    assert units == sum(quantity for _, quantity in lines)


def test_the_input_groups_lines_by_fulfilment_order_and_carries_tracking() -> None:
    record = a_shipment(shipped("TEE", 1), tracking="1Z9")
    content = creation_input(record, [Part("fo-1", "1", "l1", MAIN, "TEE", 1), Part("fo-1", "2", "l2", MAIN, "TEE", 2)])

    assert content == {
        "notifyCustomer": False,
        "trackingInfo": {"number": "1Z9", "company": "UPS"},
        "lineItemsByFulfillmentOrder": [
            {
                "fulfillmentOrderId": "fo-1",
                "fulfillmentOrderLineItems": [{"id": "1", "quantity": 1}, {"id": "2", "quantity": 2}],
            }
        ],
    }


def made(
    number: str = "1Z9", quantity: int = 1, after: int = 1, status: str = "SUCCESS", gid: str = "f-1"
) -> dict[str, Any]:
    return {
        "id": gid,
        "status": status,
        "createdAt": (SENT + timedelta(seconds=after)).isoformat(),
        "trackingInfo": [{"number": number}],
        "fulfillmentLineItems": {"nodes": [{"quantity": quantity, "lineItem": {"id": "l1"}}]},
    }


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        pytest.param(made(), True, id="same units and number, made after the call"),
        pytest.param(made(number="other"), False, id="another tracking number"),
        pytest.param(made(quantity=2), False, id="other units"),
        pytest.param(made(after=-3600), False, id="made long before the call"),
        pytest.param(made(status="CANCELLED"), False, id="cancelled since"),
        pytest.param(made(gid="known"), False, id="belongs to another invoice"),
    ],
)
def test_a_call_in_doubt_is_found_by_what_it_made(entry: dict[str, Any], found: bool) -> None:
    record = a_shipment(shipped("TEE", 1), tracking="1Z9")
    parts = [Part("fo-1", "1", "l1", MAIN, "TEE", 1)]

    assert (find_created({"fulfillments": [entry]}, record, parts, SENT, {"known"}) is not None) is found


def test_remaining_lines_leave_out_what_is_closed_or_done() -> None:
    def order(status: str, quantity: int) -> dict[str, Any]:
        line = {"id": "1", "sku": None, "remainingQuantity": quantity, "lineItem": {"id": "l1"}}
        place = {"location": {"id": MAIN}}
        return {"id": "fo-1", "status": status, "assignedLocation": place, "lineItems": {"nodes": [line]}}

    answer = {
        "fulfillmentOrders": {"nodes": [order("OPEN", 2), order("OPEN", 0), order("CLOSED", 1), order("ON_HOLD", 1)]}
    }

    assert [(entry.quantity, entry.held) for entry in remaining_lines(answer)] == [(2, False), (1, True)]


def test_what_an_earlier_call_placed_is_not_placed_again() -> None:
    placed_before = [Part("fo-1", "1", "l1", MAIN, "TEE", 2)]
    lines = [shipped("TEE", 1), shipped("TEE", 2), shipped("CAP", 1)]

    assert [(line.sku, line.quantity) for line in still_to_place(lines, placed_before)] == [("TEE", 1), ("CAP", 1)]
