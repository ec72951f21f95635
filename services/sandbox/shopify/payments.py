"""An order's transactions, derived from the posted amounts: order bodies do not contain them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from services.sandbox.shopify import totals
from services.sandbox.shopify.money import ZERO, Json, as_set, rounded, shop_amount, text, total
from services.sandbox.shopify.money import amount as amount_of

INWARDS = ("sale", "capture")


def status(rest: Json) -> str:
    return str(rest.get("financial_status") or "").lower()


def implied_payment(rest: Json) -> Decimal:
    """The paid amount that follows from the posted amounts."""
    whole = totals.total_price(rest)
    if status(rest) in ("pending", "authorized", "voided", "expired"):
        return ZERO
    outstanding = shop_amount(rest, "total_outstanding")
    # The total of a fully refunded order is outstanding again, although it was paid once.
    if status(rest) == "refunded" or outstanding is None:
        return whole if status(rest) in ("paid", "refunded", "partially_refunded") else ZERO
    return max(ZERO, whole - outstanding)


def gateway(rest: Json) -> str:
    names = rest.get("payment_gateway_names") or []
    return str(names[0] if names else rest.get("gateway") or "manual")


def is_success(payment: Json) -> bool:
    return str(payment.get("status") or "success").lower() == "success"


def value(payment: Json) -> Decimal:
    """The amount in the shop's currency."""
    return shop_amount(payment, "amount") or ZERO


def received(payments: list[Json]) -> Decimal:
    return total(value(p) for p in payments if is_success(p) and str(p.get("kind")).lower() in INWARDS)


def refunded(payments: list[Json]) -> Decimal:
    return total(value(p) for p in payments if is_success(p) and str(p.get("kind")).lower() == "refund")


def settle(rest: Json, explicit: list[Json], known: list[Json], ids: Iterator[int]) -> list[Json]:
    """All transactions of an order.

    The posted ones, else the stored ones and those that the amounts imply.
    """
    payments = [dict(p) for p in explicit] if explicit else [*known, *_missing(rest, known, ids)]
    there = {p.get("id") for p in payments if p.get("id") is not None}
    for refund in totals.refunds(rest):
        payments += [p for p in refund.get("transactions") or [] if p.get("id") not in there]
    for payment in payments:
        _complete(rest, payment, ids)
    return payments


def _missing(rest: Json, known: list[Json], ids: Iterator[int]) -> list[Json]:
    if status(rest) in ("authorized", "voided"):
        return _authorized(rest, known, ids)
    missing = implied_payment(rest) - received(known)
    if missing <= 0:
        return []
    authorized = next((p for p in known if p["kind"] == "authorization"), None)
    if authorized:
        return [made(rest, "capture", missing, ids, parent=authorized["id"], via=authorized["gateway"])]
    return [made(rest, "sale", missing, ids, identity=None if known else _parent_of_refunds(rest))]


def _authorized(rest: Json, known: list[Json], ids: Iterator[int]) -> list[Json]:
    new: list[Json] = []
    held = next((p for p in known if p["kind"] == "authorization"), None)
    whole = totals.total_price(rest)
    if held is None and whole > 0:
        held = made(rest, "authorization", whole, ids)
        new.append(held)
    is_void = any(p["kind"] == "void" for p in known)
    if held and status(rest) == "voided" and not is_void:
        new.append(made(rest, "void", whole, ids, parent=held["id"]))
    return new


def _parent_of_refunds(rest: Json) -> int | None:
    """The payment that refunds refer to, which must exist."""
    payments = [p for refund in totals.refunds(rest) for p in refund.get("transactions") or []]
    parents = {p.get("parent_id") for p in payments if p.get("parent_id")}
    return int(parents.pop()) if len(parents) == 1 else None


def made(
    rest: Json,
    kind: str,
    amount: Decimal,
    ids: Iterator[int],
    *,
    parent: int | None = None,
    identity: int | None = None,
    via: str | None = None,
    at: str | None = None,
) -> Json:
    """A new transaction of `amount` in the shop's currency."""
    return {
        "id": identity or next(ids),
        "kind": kind,
        "status": "success",
        "gateway": gateway(rest) if via is None else via,
        "amount": text(amount),
        "currency": rest["currency"],
        "parent_id": parent,
        "test": bool(rest.get("test")),
        "processed_at": at or rest.get("processed_at") or rest["created_at"],
    }


def _both(rest: Json, payment: Json) -> Json:
    """The money set of a plain amount in the customer's currency."""
    paid = amount_of(payment.get("amount"))
    shop = rounded(paid / totals.rate(rest), rest["currency"])
    return as_set(shop, rest["currency"], paid, payment["currency"])


def _complete(rest: Json, payment: Json, ids: Iterator[int]) -> None:
    if payment.get("id") is None:
        payment["id"] = next(ids)
    payment["order_id"] = rest["id"]
    payment["kind"] = str(payment.get("kind") or "sale").lower()
    payment["status"] = str(payment.get("status") or "success").lower()
    payment.setdefault("gateway", gateway(rest))
    payment.setdefault("currency", rest["currency"])
    if payment["currency"] != rest["currency"] and "amount_set" not in payment:
        payment["amount_set"] = _both(rest, payment)
    moment = payment.get("processed_at") or payment.get("created_at") or rest.get("processed_at") or rest["created_at"]
    payment["processed_at"] = payment.get("processed_at") or moment
    payment["created_at"] = payment.get("created_at") or moment
    payment["admin_graphql_api_id"] = f"gid://shopify/OrderTransaction/{payment['id']}"
