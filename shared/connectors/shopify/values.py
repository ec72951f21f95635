"""Converts Shopify's scalars: exact money, times in UTC, ids as text, trimmed texts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from shared.canonical.money import exact

Node = Mapping[str, Any]


class InvalidValue(ValueError):
    """A value cannot be read. The message does not contain the value, which may be personal data."""


# Larger than any real amount. Keeps sums within the 28 digits of decimal arithmetic.
_AMOUNT_AT_MOST = Decimal(10) ** 15


def amount(value: object, unit: Decimal) -> Decimal:
    """The amount with the currency's decimals: Shopify writes both 679.0 and 679.00.

    An amount finer than `unit` keeps its digits. Raises InvalidValue if it is not an amount.
    """
    try:
        number = exact(value)
    except ValueError as error:
        raise InvalidValue("an amount is not a number") from error
    if abs(number) >= _AMOUNT_AT_MOST or number.as_tuple().exponent < -12:  # type: ignore[operator]
        raise InvalidValue("an amount is too large or too precise")
    whole = number.quantize(unit)
    return whole if whole == number else number


def currency(value: object) -> str:
    """An ISO currency code. Raises InvalidValue for anything else."""
    code = str(value)
    if not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
        raise InvalidValue("a currency is not an ISO code")
    return code


def shop_amount(bag: Node | None, unit: Decimal) -> Decimal:
    """A MoneyBag's amount in the shop's currency; 0 for none."""
    return amount(bag["shopMoney"]["amount"], unit) if bag else Decimal(0).quantize(unit)


def numeric_id(gid: object) -> str:
    """`gid://shopify/Order/123?x=1` as `123`; plain numbers stay."""
    return str(gid or "").rpartition("/")[2].partition("?")[0]


def timestamp(value: object) -> datetime | None:
    """An ISO time in UTC; Shopify's bodies carry the shop's offset."""
    if not value:
        return None
    try:
        read = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise InvalidValue("a time is not in ISO 8601") from error
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def required_timestamp(value: object) -> datetime:
    """As `timestamp`. Raises InvalidValue if there is none."""
    read = timestamp(value)
    if read is None:
        raise InvalidValue("a time is missing")
    return read


def text(value: object) -> str:
    return str(value).strip() if value is not None else ""


def nodes(connection: Node | None) -> list[Node]:
    """The nodes of a GraphQL connection; empty if it was not read."""
    return [node for node in (connection or {}).get("nodes") or [] if node]
