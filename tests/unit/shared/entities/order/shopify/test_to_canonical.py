"""A Shopify node as the canonical order: what is carried, and how it is spelled."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.canonical.address import Address
from shared.canonical.event import content_hash
from shared.canonical.money import Money
from shared.entities.order.record import Order
from shared.entities.order.shopify.to_canonical import from_shopify
from shared.errors import Rejected
from tests.support.orders import (
    an_order_node,
    bag,
    discount_node,
    line_node,
    page,
    refund_node,
    shipping_node,
    tax_node,
    transaction_node,
)


def test_a_plain_order_balances() -> None:
    order = from_shopify(an_order_node())

    assert (order.id, order.name, order.number) == ("5001", "#1001", "1001")
    assert order.total == Decimal("15.00")
    assert order.difference == 0


def test_a_line_carries_its_discounts_by_code_and_title_and_its_taxes() -> None:
    line = line_node(
        quantity=3,
        discountAllocations=[discount_node("1.00", code="TENOFF"), discount_node("0.50", title="Summer")],
        taxLines=[tax_node("2.00", "State tax", 0.06)],
        customAttributes=[{"key": "engraving", "value": "Ada"}, {"key": "empty", "value": None}],
    )

    read = from_shopify(an_order_node(total="35.50", lineItems=page([line]))).lines[0]

    assert [(share.label, str(share.amount)) for share in read.discounts] == [("TENOFF", "1.00"), ("Summer", "0.50")]
    assert (read.net, read.tax, str(read.taxes[0].rate)) == (Decimal("28.50"), Decimal("2.00"), "0.06")
    assert read.properties == (("engraving", "Ada"), ("empty", ""))


@pytest.mark.parametrize(
    ("current", "refunded", "removed"),
    [
        pytest.param(3, 0, 0, id="untouched"),
        pytest.param(2, 1, 0, id="one refunded"),
        pytest.param(1, 0, 2, id="two taken off by an edit"),
        pytest.param(1, 1, 1, id="one of each"),
        pytest.param(3, 1, 0, id="refunded but kept by the customer"),
    ],
)
def test_removed_is_what_is_neither_left_nor_refunded(current: int, refunded: int, removed: int) -> None:
    refunds = [refund_node(1, "10.00", [(1, refunded)])] if refunded else []
    lines = page([line_node(quantity=3, currentQuantity=current)])

    line = from_shopify(an_order_node(total="35.00", lineItems=lines, refunds=refunds)).lines[0]

    assert (line.quantity, line.refunded, line.removed) == (3, refunded, removed)


def test_units_of_several_refunds_add_up() -> None:
    refunds = [refund_node(1, "10.00", [(1, 1)]), refund_node(2, "20.00", [(1, 2)])]
    lines = page([line_node(quantity=3, currentQuantity=0)])

    order = from_shopify(an_order_node(total="35.00", lineItems=lines, refunds=refunds))

    assert (order.lines[0].refunded, order.lines[0].removed) == (3, 0)
    assert [str(refund.amount) for refund in order.refunds] == ["10.00", "20.00"]


def test_a_guest_is_named_after_the_address() -> None:
    address = {"firstName": " Ada ", "lastName": "Byron", "countryCodeV2": "US"}

    customer = from_shopify(an_order_node(shippingAddress=address)).customer

    assert (customer.shopify_id, customer.email, customer.first_name) == ("", "ada@example.com", "Ada")


def test_a_customer_keeps_their_own_address_of_mail() -> None:
    node = {
        "id": "gid://shopify/Customer/4001",
        "firstName": None,
        "lastName": None,
        "defaultEmailAddress": {"emailAddress": "own@example.com"},
        "defaultPhoneNumber": None,
    }

    order = from_shopify(an_order_node(customer=node))

    assert (order.customer.shopify_id, order.customer.email) == ("4001", "own@example.com")
    assert order.email == "ada@example.com"


def test_an_address_is_trimmed_and_coded() -> None:
    node = {
        "firstName": " Ada", "lastName": "Byron ", "company": None, "address1": " 1 Mill Lane ", "address2": "",
        "city": "Louisville", "province": "Kentucky", "provinceCode": "KY", "zip": " 40202",
        "country": "United States", "countryCodeV2": "US", "phone": "+15025550101",
    }  # fmt: skip

    order = from_shopify(an_order_node(billingAddress=node))

    assert order.billing_address == Address(
        first_name="Ada", last_name="Byron", line_1="1 Mill Lane", city="Louisville", province="KY",
        postal_code="40202", country="US", phone="+15025550101",
    )  # fmt: skip


def test_withheld_personal_data_is_absent_rather_than_empty() -> None:
    order = from_shopify(an_order_node(email=None, billingAddress={"firstName": None}, customer=None))

    assert order.billing_address is None
    assert order.email == ""


def test_tags_attributes_and_metafields_travel_verbatim() -> None:
    order = from_shopify(
        an_order_node(
            tags=["VIP", " b2b, net 30 "],
            customAttributes=[{"key": "gift", "value": " yes "}],
            metafields=page([{"namespace": "custom", "key": "po", "value": '["1"]'}]),
        )
    )

    assert order.tags == ("VIP", " b2b, net 30 ")
    assert order.note_attributes == (("gift", " yes "),)
    assert order.metafields == (("custom", "po", '["1"]'),)


def test_both_currencies_are_kept() -> None:
    paid = transaction_node("15.00", amountSet=bag("15.00", "USD", "14.1", "EUR"))
    node = an_order_node(
        presentmentCurrencyCode="EUR", totalPriceSet=bag("15.00", "USD", "14.1", "EUR"), transactions=[paid]
    )

    order = from_shopify(node)

    assert (order.presentment_currency, str(order.presentment_total)) == ("EUR", "14.10")
    assert order.tenders[0].money == Money(amount="15.00", currency="USD")
    assert order.tenders[0].presentment == Money(amount="14.10", currency="EUR")


def test_statuses_and_times_are_normalised() -> None:
    node = an_order_node(
        displayFinancialStatus="PARTIALLY_REFUNDED", cancelReason="OTHER", cancelledAt="2026-11-20T05:00:00-05:00"
    )

    order = from_shopify(node)

    assert (order.financial_status, order.cancel_reason) == ("partially_refunded", "other")
    assert order.cancelled_at == datetime(2026, 11, 20, 10, tzinfo=UTC)


def test_an_enum_member_of_a_later_version_is_carried() -> None:
    order = from_shopify(an_order_node(displayFulfillmentStatus="ON_ITS_WAY"))

    assert order.fulfilment_status == "on_its_way"


def test_the_same_money_is_spelled_one_way() -> None:
    plain = from_shopify(an_order_node(total="15.00"))
    short = from_shopify(an_order_node(total="15.0", lineItems=page([line_node(price="10.0")])))

    assert content_hash(plain) == content_hash(short)


def test_a_price_finer_than_the_currency_keeps_its_digits() -> None:
    lines = page([line_node(quantity=1000, price="0.0125")])

    order = from_shopify(an_order_node(total="17.50", lineItems=lines))

    assert str(order.lines[0].price) == "0.0125"
    assert order.difference == 0


def test_yen_have_no_cents() -> None:
    lines = page([line_node(price="1000.0")])

    order = from_shopify(
        an_order_node(
            total="1005.0", currencyCode="JPY", presentmentCurrencyCode="JPY", lineItems=lines,
            shippingLines=page([shipping_node("5.0")]),
        )
    )  # fmt: skip

    assert str(order.total) == "1005"
    assert order.difference == 0


@pytest.mark.parametrize(
    ("broken", "trouble"),
    [
        pytest.param({"totalPriceSet": None}, "", id="no total"),
        pytest.param({"totalPriceSet": bag("NaN")}, "an amount is not a number", id="not a number"),
        pytest.param({"totalPriceSet": bag("ada@example.com")}, "an amount is not a number", id="not a numeral"),
        pytest.param(
            {"totalPriceSet": bag("1e999999")}, "an amount is too large or too precise", id="beyond all reason"
        ),
        pytest.param({"createdAt": "yesterday"}, "a time is not in ISO 8601", id="no time"),
        pytest.param({"createdAt": None}, "a time is missing", id="time missing"),
        pytest.param({"lineItems": page([{"id": "x"}])}, "is missing", id="a line without figures"),
        pytest.param({"transactions": [{"kind": "SALE", "status": "SUCCESS"}]}, "", id="a payment without money"),
        pytest.param({"currencyCode": None}, "a currency is not an ISO code", id="no currency"),
        pytest.param({"currencyCode": "US$"}, "a currency is not an ISO code", id="a sign for a currency"),
    ],
)
def test_what_is_no_order_is_rejected_without_its_data(broken: dict[str, object], trouble: str) -> None:
    node = an_order_node(**broken)

    with pytest.raises(Rejected, match=f"{trouble}$") as caught:
        from_shopify(node)

    assert "ada@example.com" not in caught.value.reason


def test_an_order_without_its_lines_is_rejected() -> None:
    with pytest.raises(Rejected):
        from_shopify(an_order_node(lineItems=None))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


# A busy machine is not a slow test.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(sorted(an_order_node())), json_values, max_size=4))
def test_no_node_does_anything_but_read_or_be_rejected(changes: dict[str, object]) -> None:
    with suppress(Rejected):
        assert isinstance(from_shopify(an_order_node(**changes)), Order)
