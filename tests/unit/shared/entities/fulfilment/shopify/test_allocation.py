"""Shipped units find their fulfilment-order lines; a call whose answer was lost is recognised by what it made."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.entities.fulfilment.shopify.allocation import (
    AllocatedUnits,
    FulfilmentCall,
    RemainingLine,
    allocate,
    candidates,
    creation_input,
    is_made_by,
    remaining_lines,
    shows_tracking,
    tracking_of,
    unallocated_lines,
)
from tests.support.shipments import a_shipment, shipped

MAIN, ANNEX = "gid://shopify/Location/1", "gid://shopify/Location/2"


def left(line: str, sku: str, quantity: int, location: str = MAIN, on_hold: bool = False) -> RemainingLine:
    return RemainingLine(f"fo-{location[-1]}", line, f"gid://shopify/LineItem/{line}", location, sku, quantity, on_hold)


def part(line: str, quantity: int, item: str = "TEE", order: str = "fo-1", location: str = MAIN) -> AllocatedUnits:
    return AllocatedUnits(order, line, f"l{line}", location, item, quantity)


def placed(allocation: Any) -> list[tuple[str, int]]:
    return [(part.line, part.quantity) for part in allocation.parts]


def test_a_whole_order_ships() -> None:
    result = allocate([shipped("TEE", 2), shipped("CAP", 1)], [left("1", "TEE", 2), left("2", "CAP", 1)], MAIN)

    assert placed(result) == [("1", 2), ("2", 1)]
    assert not result.missing


def test_the_shipping_location_comes_first_and_the_rest_goes_to_the_other() -> None:
    result = allocate([shipped("TEE", 3)], [left("1", "TEE", 2, MAIN), left("2", "TEE", 2, ANNEX)], ANNEX)

    assert placed(result) == [("2", 2), ("1", 1)]
    assert list(result.by_location()) == [ANNEX, MAIN]


@pytest.mark.parametrize("lines", [("9", ""), ("", "9")], ids=["named first", "named last"])
def test_a_line_that_is_named_is_served_before_those_that_can_go_anywhere(lines: tuple[str, str]) -> None:
    wanted = [shipped("", 1, order_line=line) for line in lines]
    result = allocate(wanted, [left("9", "", 1), left("8", "", 1)], MAIN)

    assert sorted(placed(result)) == [("8", 1), ("9", 1)]
    assert not result.missing


def test_a_named_line_is_found_though_its_sku_has_changed() -> None:
    result = allocate([shipped("NEW", 1, order_line="9")], [left("9", "OLD", 1)], MAIN)

    assert placed(result) == [("9", 1)]


def test_more_than_what_is_left_is_reported_missing() -> None:
    result = allocate([shipped("TEE", 3)], [left("1", "TEE", 2)], MAIN)

    assert [line.quantity for line in result.missing] == [1]
    assert not result.on_hold


def test_what_is_on_hold_is_not_shipped_and_said_so() -> None:
    result = allocate([shipped("TEE", 1)], [left("1", "TEE", 1, on_hold=True)], MAIN)

    assert result.parts == ()
    assert result.on_hold


def test_what_is_missing_for_another_reason_is_not_called_held() -> None:
    result = allocate([shipped("TEE", 1)], [left("1", "CAP", 1, on_hold=True)], MAIN)

    assert not result.on_hold


UNITS = st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 5)), max_size=6)
STOCK = st.lists(
    st.tuples(st.sampled_from("ABC"), st.integers(1, 5), st.sampled_from([MAIN, ANNEX]), st.booleans()), max_size=8
)


@given(UNITS, STOCK)
def test_no_unit_is_invented_or_lost(lines: list[tuple[str, int]], stock: list[tuple[str, int, str, bool]]) -> None:
    remaining = [left(str(number), *entry) for number, entry in enumerate(stock)]
    result = allocate([shipped(sku, quantity) for sku, quantity in lines], remaining, MAIN)

    for entry in remaining:
        taken = sum(one.quantity for one in result.parts if one.line == entry.line)
        assert taken <= (0 if entry.on_hold else entry.quantity)
    for sku in "ABC":
        wanted = sum(quantity for name, quantity in lines if name == sku)
        free = sum(entry.quantity for entry in remaining if entry.sku == sku and not entry.on_hold)
        assert sum(one.quantity for one in result.parts if one.item == sku) == min(wanted, free)
        assert sum(line.quantity for line in result.missing if line.sku == sku) == max(0, wanted - free)


@given(UNITS, STOCK, STOCK)
def test_what_earlier_calls_placed_is_never_placed_again(
    lines: list[tuple[str, int]], first: list[tuple[str, int, str, bool]], then: list[tuple[str, int, str, bool]]
) -> None:
    """Seen again, with more stock than before: both times together never exceed the shipment."""
    wanted = [shipped(sku, quantity) for sku, quantity in lines]
    before = allocate(wanted, [left(f"a{n}", *entry) for n, entry in enumerate(first)], MAIN)
    after = allocate(
        unallocated_lines(wanted, before.parts), [left(f"b{n}", *entry) for n, entry in enumerate(then)], MAIN
    )

    for sku in "ABC":
        together = sum(one.quantity for one in (*before.parts, *after.parts) if one.item == sku)
        assert together <= sum(quantity for name, quantity in lines if name == sku)


def test_what_an_earlier_call_placed_is_taken_off_item_by_item() -> None:
    lines = [shipped("TEE", 1), shipped("TEE", 2), shipped("CAP", 1)]

    rest = unallocated_lines(lines, [part("1", 2, item="TEE")])

    assert [(line.sku, line.quantity) for line in rest] == [("TEE", 1), ("CAP", 1)]


# What is sent


def test_the_input_groups_lines_by_fulfilment_order_and_names_each_once() -> None:
    parts = (part("1", 1), part("2", 2), part("1", 1, item="CAP"), part("7", 1, order="fo-2"))

    assert creation_input(FulfilmentCall(parts, {"number": "1Z9"}, ()), notify=True) == {
        "notifyCustomer": True,
        "trackingInfo": {"number": "1Z9"},
        "lineItemsByFulfillmentOrder": [
            {
                "fulfillmentOrderId": "fo-1",
                "fulfillmentOrderLineItems": [{"id": "1", "quantity": 2}, {"id": "2", "quantity": 2}],
            },
            {"fulfillmentOrderId": "fo-2", "fulfillmentOrderLineItems": [{"id": "7", "quantity": 1}]},
        ],
    }


def test_a_shipment_without_tracking_says_nothing_of_it() -> None:
    assert "trackingInfo" not in creation_input(FulfilmentCall((part("1", 1),), {}, ()), notify=False)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        pytest.param("https://track.example.com/1Z9?x=1", True, id="an address"),
        pytest.param("track.example.com/1Z9", False, id="without scheme"),
        pytest.param("javascript:alert(1)", False, id="of another scheme"),
        pytest.param("https://", False, id="without host"),
        pytest.param("https://[::1/x", False, id="with a broken host"),
        pytest.param("https://track.example.com/1Z 9", False, id="with a space"),
        pytest.param("", False, id="none"),
    ],
)
def test_only_a_real_address_is_sent_as_tracking_address(url: str, kept: bool) -> None:
    told = tracking_of(a_shipment(tracking="1Z9", tracking_url=url))

    assert told == {"number": "1Z9", "company": "UPS", **({"url": url} if kept else {})}


# What was made


def made(number: str = "1Z9", quantity: int = 1, status: str = "SUCCESS", gid: str = "f-1") -> dict[str, Any]:
    return {
        "id": gid,
        "status": status,
        "trackingInfo": [{"number": number, "company": "UPS", "url": None}],
        "fulfillmentLineItems": {"nodes": [{"quantity": quantity, "lineItem": {"id": "l1"}}]},
    }


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        pytest.param(made(), True, id="the same units and number"),
        pytest.param(made(status="CANCELLED"), True, id="cancelled since: it was made all the same"),
        pytest.param(made(number="other"), False, id="another tracking number"),
        pytest.param(made(quantity=2), False, id="other units"),
        pytest.param(made(status="FAILURE"), False, id="it never left"),
        pytest.param(made(gid="known"), False, id="it belongs to another call"),
        pytest.param(made(gid="earlier"), False, id="it was there before the call"),
    ],
)
def test_a_call_in_doubt_is_found_by_what_it_made(entry: dict[str, Any], found: bool) -> None:
    call = FulfilmentCall((part("1", 1),), {"number": "1Z9"}, ("earlier",))

    fitting = [one for one in candidates({"fulfillments": [entry]}, call, {"known"}) if is_made_by(call, one)]

    assert bool(fitting) is found


def test_a_call_without_tracking_is_found_among_fulfilments_without_any() -> None:
    call = FulfilmentCall((part("1", 1),), {}, ())

    assert candidates({"fulfillments": [{**made(), "trackingInfo": []}]}, call, ())


def test_a_call_survives_storage() -> None:
    call = FulfilmentCall((part("1", 1), part("2", 3)), {"number": "1Z9"}, ("f-0",))

    assert FulfilmentCall.read({**call.stored(), "version": "ignored"}) == call


def test_tracking_is_shown_when_all_that_was_sent_is_there() -> None:
    assert shows_tracking(made(), {"number": "1Z9", "company": "UPS"})
    assert not shows_tracking(made(), {"number": "1Z9", "url": "https://track.example.com"})


# What is left


def an_order(status: str, quantity: int, *actions: str) -> dict[str, Any]:
    line = {"id": "1", "sku": None, "remainingQuantity": quantity, "lineItem": {"id": "l1"}}
    return {
        "id": "fo-1",
        "status": status,
        "supportedActions": [{"action": action} for action in actions],
        "assignedLocation": {"location": {"id": MAIN}},
        "lineItems": {"nodes": [line]},
    }


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        pytest.param(an_order("OPEN", 2, "CREATE_FULFILLMENT"), [(2, False)], id="open"),
        pytest.param(an_order("IN_PROGRESS", 2, "CREATE_FULFILLMENT", "HOLD"), [(2, False)], id="partly shipped"),
        pytest.param(an_order("ON_HOLD", 1, "RELEASE_HOLD"), [(1, True)], id="on hold"),
        pytest.param(an_order("SCHEDULED", 1), [(1, True)], id="for later"),
        pytest.param(an_order("OPEN", 1), [(1, True)], id="with a fulfilment service"),
        pytest.param(an_order("OPEN", 0, "CREATE_FULFILLMENT"), [], id="all shipped"),
        pytest.param(an_order("CLOSED", 1), [], id="closed"),
        pytest.param(an_order("CANCELLED", 1), [], id="cancelled"),
        pytest.param(an_order("INCOMPLETE", 1), [], id="given up"),
    ],
)
def test_remaining_lines_are_those_that_can_ship_now_or_later(
    entry: dict[str, Any], shown: list[tuple[int, bool]]
) -> None:
    found = remaining_lines({"fulfillmentOrders": {"nodes": [entry]}})

    assert [(one.quantity, one.on_hold) for one in found] == shown


def test_a_location_that_is_gone_has_no_name() -> None:
    entry = {**an_order("OPEN", 1, "CREATE_FULFILLMENT"), "assignedLocation": {"location": None}}

    assert [one.location for one in remaining_lines({"fulfillmentOrders": {"nodes": [entry]}})] == [""]
