"""Finds the payments among an order's transactions. Pure.

AUTHORIZATION and EMV_AUTHORIZATION only reserve money; refunds are a separate entity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from shared.canonical.money import Money, minor_unit, total
from shared.connectors.shopify.values import Node, amount, currency, numeric_id, required_timestamp, text
from shared.entities.order.record import Tender, TenderKind

_PAYMENT_KINDS = {"SALE", "CAPTURE"}
_KINDS: dict[str, TenderKind] = {
    "gift_card": "gift_card",
    "shopify_store_credit": "store_credit",
    "cash": "cash",
    "manual": "manual",
    "": "other",
}


def tenders(transactions: Iterable[Node], owed: Decimal) -> tuple[Tender, ...]:
    """Successful sales and captures, oldest first, with the change subtracted from cash.

    `owed` is the order's total. Only if more than that was received does a cash sale's amount still include the change.
    """
    successful = [entry for entry in transactions if str(entry.get("status")).upper() == "SUCCESS"]
    paid = [_tender(entry) for entry in successful if str(entry.get("kind")).upper() in _PAYMENT_KINDS]
    change = total(_money(entry["amountSet"]["shopMoney"]).amount for entry in successful if _is_change(entry))
    over = total(tender.money.amount for tender in paid) - owed
    paid.sort(key=lambda tender: (tender.processed_at, tender.id))
    return tuple(_without_change(paid, min(change, over)) if change > 0 and over > 0 else paid)


def kind_of(gateway: str, manual: bool) -> TenderKind:
    """The kind of a tender.

    A gateway that is not Shopify's own belongs to a payment processor: usually a card.
    """
    known = _KINDS.get(gateway.lower())
    return known if known is not None else ("manual" if manual else "card")


def _is_change(entry: Node) -> bool:
    return str(entry.get("kind")).upper() == "CHANGE"


def _tender(entry: Node) -> Tender:
    gateway = text(entry.get("gateway"))
    money = entry["amountSet"]
    presentment = money.get("presentmentMoney")
    return Tender(
        id=numeric_id(entry["id"]),
        gateway=gateway,
        kind=kind_of(gateway, bool(entry.get("manualPaymentGateway"))),
        money=_money(money["shopMoney"]),
        presentment=_money(presentment) if presentment else None,
        processed_at=required_timestamp(entry.get("processedAt") or entry.get("createdAt")),
    )


def _money(node: Node) -> Money:
    code = currency(node["currencyCode"])
    return Money(amount=amount(node["amount"], minor_unit(code)), currency=code)


def _without_change(paid: Sequence[Tender], change: Decimal) -> list[Tender]:
    left = change
    result = []
    for tender in paid:
        part = min(left, tender.money.amount) if tender.kind == "cash" else Decimal(0)
        left -= part
        if part:
            money = Money(amount=tender.money.amount - part, currency=tender.money.currency)
            tender = tender.model_copy(update={"money": money, "presentment": None})  # noqa: PLW2901
        if tender.money.amount:
            result.append(tender)
    return result
