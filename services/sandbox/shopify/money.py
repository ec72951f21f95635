"""Exact amounts. Posted amounts keep their notation; only computed ones are formatted here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

Json = dict[str, Any]
ZERO = Decimal(0)
ONE = Decimal(1)
CENT = Decimal("0.01")
NO_CENTS = frozenset({"JPY", "KRW", "VND", "CLP", "ISK", "PYG", "XAF", "XOF", "XPF", "RWF", "UGX"})


def number(value: object) -> Decimal | None:
    """The amount in a JSON value; None if it is missing or masked."""
    if value is None or isinstance(value, bool):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def amount(value: object) -> Decimal:
    """Like `number`, with 0 instead of None."""
    found = number(value)
    return ZERO if found is None else found


def text(value: Decimal) -> str:
    """Formats with at least two decimals, like Shopify's REST bodies."""
    return format(value if value.as_tuple().exponent <= -2 else value.quantize(CENT), "f")  # type: ignore[operator]


def total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)


def shop_amount(holder: Mapping[str, Any], key: str) -> Decimal | None:
    """The shop-currency amount of `key`: from its money set if present, else the plain amount."""
    both = holder.get(f"{key}_set")
    if isinstance(both, dict):
        found = number((both.get("shop_money") or {}).get("amount"))
        if found is not None:
            return found
    return number(holder.get(key))


def as_set(shop: Decimal, currency: str, presentment: Decimal, presentment_currency: str) -> Json:
    """A money set in webhook format."""
    return {
        "shop_money": {"amount": text(shop), "currency_code": currency},
        "presentment_money": {"amount": text(presentment), "currency_code": presentment_currency},
    }


def rounded(value: Decimal, currency: str) -> Decimal:
    return value.quantize(Decimal(1) if currency in NO_CENTS else CENT, rounding=ROUND_HALF_UP)
