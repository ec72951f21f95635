"""Which reading of Shopify's figures is taken, and that none is taken which does not add up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.entities.order.record import Order
from shared.entities.order.shopify.to_canonical import from_shopify
from tests.support.orders import (
    an_order_node,
    bag,
    discount_node,
    line_node,
    page,
    shipping_node,
    tax_node,
    transaction_node,
)


def read(total: str, **changes: Any) -> Order:
    changes.setdefault("currentTotalPriceSet", bag(total))
    return from_shopify(an_order_node(total=total, **changes))


def test_taxes_included_are_not_added_again() -> None:
    order = read("15.00", taxesIncluded=True, lineItems=page([line_node(taxLines=[tax_node("0.65")])]))

    assert (order.tax, order.difference) == (Decimal("0.65"), 0)


def test_removed_units_still_count_in_the_total_before_returns() -> None:
    lines = page([line_node(quantity=3, currentQuantity=2)])

    order = read("35.00", lineItems=lines, currentTotalPriceSet=bag("25.00"))

    assert (order.total, order.lines[0].quantity, order.lines[0].removed) == (Decimal("35.00"), 3, 1)
    assert order.difference == 0


def test_a_total_without_removed_units_is_read_with_what_an_edit_left() -> None:
    line = line_node(
        quantity=3, currentQuantity=2, discountAllocations=[discount_node("3.00")], taxLines=[tax_node("1.80")]
    )

    order = read("24.20", lineItems=page([line]))

    assert (order.lines[0].quantity, order.lines[0].removed) == (2, 0)
    assert (order.lines[0].net, order.lines[0].tax) == (Decimal("18.00"), Decimal("1.20"))
    assert order.difference == 0


def test_a_line_added_by_an_edit_may_show_in_the_current_total_only() -> None:
    order = read("15.00", lineItems=page([line_node(1), line_node(2)]), currentTotalPriceSet=bag("25.00"))

    assert (order.total, order.difference) == (Decimal("25.00"), 0)


def test_a_removed_shipping_line_counts_only_where_the_total_says_so() -> None:
    removed = shipping_node("9.00", id="gid://shopify/ShippingLine/8002", isRemoved=True)

    with_it = read("24.00", shippingLines=page([shipping_node(), removed]))
    without = read("15.00", shippingLines=page([shipping_node(), removed]))

    assert (len(with_it.shipping_lines), with_it.difference) == (2, 0)
    assert (len(without.shipping_lines), without.difference) == (1, 0)


def test_a_tip_is_added() -> None:
    order = read("18.00", totalTipReceivedSet=bag("3.00"))

    assert (order.tip, order.difference) == (Decimal("3.00"), 0)


def test_a_tip_that_is_also_a_line_counts_once() -> None:
    tip = line_node(2, price="3.00", title="Tip", sku=None, variant=None, requiresShipping=False)

    order = read("18.00", totalTipReceivedSet=bag("3.00"), lineItems=page([line_node(1), tip]))

    assert (order.tip, len(order.lines), order.difference) == (Decimal("3.00"), 1, 0)


@pytest.mark.parametrize(("total", "duties"), [("17.00", "2.00"), ("15.00", "0")], ids=["charged", "collected apart"])
def test_duties_count_where_they_are_part_of_the_total(total: str, duties: str) -> None:
    order = read(total, originalTotalDutiesSet=bag("2.00"))

    assert (order.duties, order.difference) == (Decimal(duties), 0)


def test_included_duties_are_in_the_prices() -> None:
    order = read("15.00", originalTotalDutiesSet=bag("2.00"), dutiesIncluded=True)

    assert (order.duties, order.difference) == (0, 0)


def test_fees_and_the_tax_on_them_are_part_of_the_order() -> None:
    taxes = [tax_node("0.70"), tax_node("0.20", "Import tax", 0.1)]
    lines = page([line_node(taxLines=[tax_node("0.70")])])

    order = read("17.90", originalTotalAdditionalFeesSet=bag("2.00"), taxLines=taxes, lineItems=lines)

    assert (order.fees, order.tax, order.difference) == (Decimal("2.00"), Decimal("0.90"), 0)
    assert [tax.title for tax in order.order_taxes] == ["Import tax"]


def test_old_records_state_taxes_for_the_whole_order_only() -> None:
    order = read("15.70", taxLines=[tax_node("0.70")])

    assert (len(order.order_taxes), order.tax, order.difference) == (1, Decimal("0.70"), 0)


def test_order_wide_rounding_of_taxes_is_a_tax_of_the_order() -> None:
    lines = page([line_node(1, taxLines=[tax_node("0.33")]), line_node(2, taxLines=[tax_node("0.33")])])

    order = read("25.67", lineItems=lines, taxLines=[tax_node("0.67")])

    assert (str(order.order_taxes[0].amount), order.difference) == ("0.01", 0)


def test_old_records_state_discounts_for_the_whole_order_only() -> None:
    order = read("10.00", totalDiscountsSet=bag("5.00"), discountCodes=["FIVEOFF"])

    assert [(share.label, str(share.amount)) for share in order.order_discounts] == [("FIVEOFF", "5.00")]
    assert order.difference == 0


def test_a_discount_total_that_balances_without_is_left_alone() -> None:
    lines = page([line_node(discountAllocations=[discount_node("4.00")])])

    order = read("11.00", lineItems=lines, totalDiscountsSet=bag("8.00"))

    assert (order.order_discounts, order.difference) == ((), 0)


def rounding(amount: str) -> dict[str, Any]:
    return {"totalCashRoundingAdjustment": {"paymentSet": bag(amount)}}


@pytest.mark.parametrize(
    ("stated", "paid", "rounded", "total"),
    [
        pytest.param("15.02", "15.00", "-0.02", "15.00", id="on top of the total, as paid"),
        pytest.param("15.02", "15.02", "0", "15.02", id="paid without it"),
        pytest.param("15.00", "15.00", "-0.02", "15.00", id="inside the total"),
    ],
)
def test_cash_rounding(stated: str, paid: str, rounded: str, total: str) -> None:
    lines = page([line_node(price="10.02")])
    cash = [transaction_node(paid, gateway="cash")]

    order = read(stated, lineItems=lines, transactions=cash, **rounding("-0.02"))

    assert (order.total, order.difference) == (Decimal(total), 0)
    assert order.rounding == Decimal(rounded)


def test_a_cent_lost_in_conversion_is_shown_and_not_rounded_away() -> None:
    order = read("15.01", presentmentCurrencyCode="EUR")

    assert (order.rounding, order.difference) == (0, Decimal("0.01"))


def test_a_cent_of_difference_in_one_currency_stays_a_difference() -> None:
    order = read("15.01")

    assert (order.rounding, order.difference) == (0, Decimal("0.01"))


cents = st.integers(min_value=0, max_value=100_000).map(lambda count: Decimal(count).scaleb(-2))


@st.composite
def a_line_of_any_kind(draw: st.DrawFn, number: int) -> dict[str, Any]:
    quantity = draw(st.integers(min_value=1, max_value=20))
    price = draw(cents)
    off = draw(st.integers(min_value=0, max_value=int(price * quantity * 100))) if draw(st.booleans()) else 0
    return line_node(
        number,
        quantity=quantity,
        price=price,
        currentQuantity=draw(st.integers(min_value=0, max_value=quantity)),
        discountAllocations=[discount_node(Decimal(off).scaleb(-2))] if off else [],
        taxLines=[tax_node(amount) for amount in draw(st.lists(cents, max_size=2))],
    )


@st.composite
def balanced_nodes(draw: st.DrawFn) -> dict[str, Any]:
    lines = [draw(a_line_of_any_kind(number)) for number in range(1, draw(st.integers(1, 5)) + 1)]
    shipping, tip, duties, fees = draw(cents), draw(cents), draw(cents), draw(cents)
    included = draw(st.booleans())
    total = shipping + tip + duties + fees
    for line in lines:
        total += Decimal(line["originalUnitPriceSet"]["shopMoney"]["amount"]) * line["quantity"]
        total -= sum(Decimal(d["allocatedAmountSet"]["shopMoney"]["amount"]) for d in line["discountAllocations"])
        taxes = sum(Decimal(t["priceSet"]["shopMoney"]["amount"]) for t in line["taxLines"])
        total += 0 if included else taxes
    return an_order_node(
        total=total,
        taxesIncluded=included,
        lineItems=page(lines),
        shippingLines=page([shipping_node(shipping)]),
        totalTipReceivedSet=bag(tip),
        originalTotalDutiesSet=bag(duties),
        originalTotalAdditionalFeesSet=bag(fees),
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(balanced_nodes())
def test_every_order_whose_parts_make_its_total_balances_as_it_is_and_survives_the_wire(node: dict[str, Any]) -> None:
    order = from_shopify(node)

    assert order.difference == 0
    assert order.total == Decimal(node["totalPriceSet"]["shopMoney"]["amount"])
    assert Order.model_validate_json(order.model_dump_json()) == order


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(balanced_nodes(), st.integers(min_value=200_000_000, max_value=300_000_000))
def test_no_reading_explains_a_total_that_is_out_of_reach(node: dict[str, Any], off: int) -> None:
    stated = Decimal(node["totalPriceSet"]["shopMoney"]["amount"]) + Decimal(off).scaleb(-2)
    node = {**node, "totalPriceSet": bag(stated), "currentTotalPriceSet": bag(stated)}

    assert from_shopify(node).difference != 0
