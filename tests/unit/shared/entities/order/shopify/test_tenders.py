"""Which transactions are money that came in."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.entities.order.shopify.tenders import kind_of, tenders
from tests.support.orders import Node, transaction_node


def amounts(transactions: list[Node], owed: str) -> list[str]:
    return [str(tender.money.amount) for tender in tenders(transactions, Decimal(owed))]


@pytest.mark.parametrize(
    ("kind", "status", "moved"),
    [
        ("SALE", "SUCCESS", True),
        ("CAPTURE", "SUCCESS", True),
        ("AUTHORIZATION", "SUCCESS", False),
        ("EMV_AUTHORIZATION", "SUCCESS", False),
        ("VOID", "SUCCESS", False),
        ("REFUND", "SUCCESS", False),
        ("SUGGESTED_REFUND", "SUCCESS", False),
        ("SALE", "PENDING", False),
        ("SALE", "FAILURE", False),
        ("CAPTURE", "ERROR", False),
        ("SALE", "A_STATUS_OF_TOMORROW", False),
    ],
)
def test_only_successful_sales_and_captures_move_money(kind: str, status: str, moved: bool) -> None:
    assert bool(amounts([transaction_node("15.00", kind=kind, status=status)], "15.00")) is moved


def test_tenders_stand_in_the_order_they_happened() -> None:
    later = transaction_node("10.00", 1, processedAt="2026-11-20T11:00:00Z")
    first = transaction_node("5.00", 2, gateway="gift_card", processedAt="2026-11-20T10:00:00Z")

    paid = tenders([later, first], Decimal("15.00"))

    assert [(tender.kind, str(tender.money.amount)) for tender in paid] == [("gift_card", "5.00"), ("card", "10.00")]


def test_two_captures_of_one_authorisation_are_two_tenders() -> None:
    authorised = transaction_node("15.00", 1, "AUTHORIZATION")
    captures = [transaction_node("9.00", 2, "CAPTURE"), transaction_node("6.00", 3, "CAPTURE")]

    assert amounts([authorised, *captures], "15.00") == ["9.00", "6.00"]


@pytest.mark.parametrize(
    ("sale", "change", "kept"),
    [
        pytest.param("20.00", "5.00", "15.00", id="the sale is what was handed over"),
        pytest.param("15.00", "5.00", "15.00", id="the sale is what was kept"),
    ],
)
def test_change_given_out_is_not_income(sale: str, change: str, kept: str) -> None:
    cash = [transaction_node(sale, 1, gateway="cash"), transaction_node(change, 2, "CHANGE", gateway="cash")]

    assert amounts(cash, "15.00") == [kept]


def test_change_comes_out_of_the_cash_and_not_of_the_card() -> None:
    card = transaction_node("10.00", 1)
    cash = transaction_node("10.00", 2, gateway="cash")
    change = transaction_node("5.00", 3, "CHANGE", gateway="cash")

    assert amounts([card, cash, change], "15.00") == ["10.00", "5.00"]


@pytest.mark.parametrize(
    ("gateway", "manual", "kind"),
    [
        ("gift_card", False, "gift_card"),
        ("shopify_store_credit", False, "store_credit"),
        ("cash", False, "cash"),
        ("manual", True, "manual"),
        ("Bank Deposit", True, "manual"),
        ("", False, "other"),
        ("shopify_payments", False, "card"),
        ("bogus", False, "card"),
    ],
)
def test_kinds_follow_from_the_gateway(gateway: str, manual: bool, kind: str) -> None:
    assert kind_of(gateway, manual) == kind
