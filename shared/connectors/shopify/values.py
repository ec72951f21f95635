"""Shopify's scalars as ours: money exact and spelled one way, times in UTC, ids as text, texts trimmed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from shared.canonical.money import exact

Node = Mapping[str, Any]


class Unreadable(ValueError):
    """What is wrong with a value, without the value, which may be personal."""


# No shop sells for more. It keeps sums within the 28 digits that decimals are computed with.
_MOST = Decimal(10) ** 15


def amount(value: object, unit: Decimal) -> Decimal:
    """The amount, spelled with the currency's decimals: Shopify writes 679.0 and 679.00 for the same money.

    An amount finer than `unit` keeps its digits. Raises Unreadable for what is no amount.
    """
    try:
        number = exact(value)
    except ValueError as error:
        raise Unreadable("an amount is no number") from error
    if abs(number) >= _MOST or number.as_tuple().exponent < -12:  # type: ignore[operator]
        raise Unreadable("an amount is beyond all reason")
    whole = number.quantize(unit)
    return whole if whole == number else number


def currency(value: object) -> str:
    """An ISO currency code. Raises Unreadable for anything else."""
    code = str(value)
    if not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
        raise Unreadable("its currency is no ISO code")
    return code


def shop(bag: Node | None, unit: Decimal) -> Decimal:
    """A MoneyBag's amount in the shop's currency; 0 for none."""
    return amount(bag["shopMoney"]["amount"], unit) if bag else Decimal(0).quantize(unit)


def number_of(gid: object) -> str:
    """`gid://shopify/Order/123?x=1` as `123`; plain numbers stay."""
    return str(gid or "").rpartition("/")[2].partition("?")[0]


def moment(value: object) -> datetime | None:
    """An ISO time in UTC; Shopify's bodies carry the shop's offset."""
    if not value:
        return None
    try:
        read = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise Unreadable("a time is not in ISO 8601") from error
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def known_moment(value: object) -> datetime:
    """As `moment`. Raises Unreadable where there is none."""
    read = moment(value)
    if read is None:
        raise Unreadable("a time is missing")
    return read


def text(value: object) -> str:
    return str(value).strip() if value is not None else ""


def nodes(connection: Node | None) -> list[Node]:
    """A connection's nodes; none where it was not read."""
    return [node for node in (connection or {}).get("nodes") or [] if node]
