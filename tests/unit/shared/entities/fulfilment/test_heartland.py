"""A completed invoice is a shipment: its goods, its tracking; nothing else of it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.connectors.heartland import decimal_json
from shared.connectors.heartland.timestamps import changed_at
from shared.entities.fulfilment.heartland import (
    from_heartland,
    invoices_changed_since,
    is_completed,
    shipped_items,
)
from shared.entities.fulfilment.settings import HeartlandFulfilmentSettings
from shared.entities.fulfilment.shipment_settings import ShipmentSettings
from shared.errors import NeedsReview, Rejected
from shared.limits.call_context import LIVE
from tests.support.samples import sample
from tests.support.shipments import an_invoice, an_invoice_line
from tests.unit.shared.connectors.heartland.server import answering, asked_filter, page

SETTINGS = ShipmentSettings()
SKUS = {1: "TEE", 2: "CAP", 3: "TIP", 4: "DUTY", 5: "FEE", 6: "ROUNDING", 7: "DISCOUNT", 8: "MISC"}


def read(invoice: dict[str, Any], *lines: dict[str, Any], settings: ShipmentSettings = SETTINGS) -> Any:
    return from_heartland(invoice, lines, SKUS, "5001", settings)


def test_goods_ship_and_lines_that_only_carry_amounts_do_not() -> None:
    lines = [an_invoice_line(item, qty=item) for item in SKUS]

    found = [(line.sku, line.item_id, line.quantity) for line in read(an_invoice(), *lines).lines]

    assert found == [("TEE", "1", 1), ("CAP", "2", 2), ("", "8", 8)]


def test_taxes_shipping_returns_and_empty_lines_are_no_goods() -> None:
    lines = [
        an_invoice_line(1, type="TaxLine"),
        {"id": 8, "type": "ShippingLine", "item_id": None, "qty": None, "value": Decimal("6.95")},
        an_invoice_line(1, qty=-1),
        an_invoice_line(1, qty=0),
    ]

    assert shipped_items(lines) == []
    assert read(an_invoice(), *lines).lines == ()


def test_the_shipment_knows_where_it_came_from() -> None:
    found = read(an_invoice(), an_invoice_line(1))

    assert (found.id, found.order_id, found.heartland_order_id) == ("100877", "5001", "100200")
    assert (found.location_id, found.completed_at) == ("100005", datetime(2026, 11, 21, 9, tzinfo=UTC))
    assert found.notify_customer is False


def test_tracking_stands_in_the_custom_fields_that_the_merchant_named() -> None:
    settings = ShipmentSettings(fields=HeartlandFulfilmentSettings(tracking_number_field="awb"), notify_customer=True)
    custom = {"awb": " 1Z9 ", "carrier": "UPS", "tracking_url": "https://t.example.com", "tracking_number": "no"}

    found = read(an_invoice(custom=custom), an_invoice_line(1), settings=settings)

    assert (found.tracking_number, found.carrier, found.tracking_url) == ("1Z9", "UPS", "https://t.example.com")
    assert found.notify_customer is True


def test_the_order_line_is_named_where_the_invoice_carries_it() -> None:
    line = an_invoice_line(1, custom={"shopify_line_id": 90011})

    assert read(an_invoice(), line).lines[0].order_line_id == "90011"


def test_camel_case_and_naive_stamps_read_the_same() -> None:
    plain = read(an_invoice(), an_invoice_line(1))
    camel = {
        "id": "100877", "status": "Complete", "orderId": "100200", "sourceLocationId": 100005,
        "completedAt": "2026-11-21T09:00:00", "updatedAt": "2026-11-21T10:00:00Z", "custom": {},
    }  # fmt: skip
    line = {"type": "ItemLine", "itemId": "1", "qty": "1.0"}

    assert read(camel, line) == plain
    assert changed_at(camel) == datetime(2026, 11, 21, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("invoice", "completed"),
    [
        pytest.param({"status": "complete"}, True, id="complete"),
        pytest.param({"status": "Complete"}, True, id="in the other spelling"),
        pytest.param({"status": "complete", "voided?": True}, False, id="voided since"),
        pytest.param({"status": "pending"}, False, id="pending"),
        pytest.param({"status": None}, False, id="null"),
        pytest.param({}, False, id="not said"),
    ],
)
def test_only_a_final_invoice_counts(invoice: dict[str, Any], completed: bool) -> None:
    assert is_completed(invoice) is completed


def test_half_a_unit_goes_to_a_person() -> None:
    with pytest.raises(NeedsReview, match=r"ships 1\.5 of TEE"):
        read(an_invoice(), an_invoice_line(1, qty=Decimal("1.5")))


@pytest.mark.parametrize(
    ("invoice", "line"),
    [
        pytest.param({"order_id": None}, {}, id="no order"),
        pytest.param({"id": "x"}, {}, id="an id that is none"),
        pytest.param({"completed_at": "soon", "updated_at": "soon"}, {}, id="no time"),
        pytest.param({}, {"qty": "many"}, id="a quantity that is none"),
        pytest.param({}, {"qty": Decimal("1e99999")}, id="an absurd quantity"),
        pytest.param({}, {"qty": {}}, id="an object for a quantity"),
        pytest.param({}, {"qty": None}, id="no quantity"),
        pytest.param({}, {"item_id": [1]}, id="a list for an item"),
        pytest.param({}, {"item_id": 99}, id="an item nobody asked for"),
    ],
)
def test_what_cannot_be_read_is_rejected(invoice: dict[str, Any], line: dict[str, Any]) -> None:
    with pytest.raises(Rejected):
        read({**an_invoice(), **invoice}, {**an_invoice_line(1), **line})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
INVOICES = st.fixed_dictionaries({}, optional=dict.fromkeys(an_invoice(), JSON))
LINES = st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(an_invoice_line(), JSON)), max_size=3)


@given(INVOICES, LINES)
def test_whatever_an_invoice_holds_is_read_or_refused(invoice: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    is_completed(invoice)
    try:
        items = shipped_items(lines)
        from_heartland(invoice, lines, dict.fromkeys(items, "TEE"), "5001", SETTINGS)
    except (Rejected, NeedsReview):
        pass


@pytest.mark.parametrize("name", ["webhook_sales_transaction_ticket", "webhook_sales_transaction_other_type"])
def test_a_transaction_of_the_till_is_no_shipment_of_an_order(name: str) -> None:
    with pytest.raises(Rejected):
        read(decimal_json.loads(sample("heartland", f"{name}.json")))


def test_a_recorded_line_without_quantity_is_not_taken_for_nothing() -> None:
    lines = decimal_json.loads(sample("heartland", "sales_ticket_lines_item.json"))["results"]

    with pytest.raises(Rejected):
        shipped_items(lines)


async def test_changed_invoices_are_asked_for_by_time() -> None:
    async with answering(lambda request: page([])) as spoken:
        rows = [row async for row in invoices_changed_since(spoken.client, datetime(2026, 11, 1, tzinfo=UTC), LIVE)]

    assert rows == []
    assert asked_filter(spoken.asked[0][2]) == {"updated_at": {"$gte": "2026-11-01T00:00:00+00:00"}}
