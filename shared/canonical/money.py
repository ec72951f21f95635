"""Exact money: a Decimal with its currency, never a float."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

# Decimals of currencies that do not have two (ISO 4217).
_EXPONENTS = {
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0,
    "UGX": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
    "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}  # fmt: skip


def exact(value: object) -> Decimal:
    """The decimal in `value`: a Decimal, an int or text.

    Raises ValueError for floats and non-finite numbers.
    """
    if isinstance(value, (bool, float)):
        raise ValueError(f"money must not be a {type(value).__name__}: {value!r}")
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError(f"not a decimal number: {value!r}") from error
    if not number.is_finite():
        raise ValueError(f"not a finite number: {value!r}")
    return number


def _plain(number: Decimal) -> str:
    return format(number, "f")


# A decimal that is a string in JSON, so that no reader turns it into a float.
Exact = Annotated[Decimal, BeforeValidator(exact), PlainSerializer(_plain, return_type=str, when_used="json")]


def minor_unit(currency: str) -> Decimal:
    """The smallest amount of `currency`: 0.01 for USD, 1 for JPY, 0.001 for KWD."""
    return Decimal(1).scaleb(-_EXPONENTS.get(currency, 2))


class Money(BaseModel):
    """An exact amount in one currency. Adding two currencies raises ValueError."""

    model_config = ConfigDict(frozen=True)

    amount: Exact
    currency: str

    def __add__(self, other: Money) -> Money:
        self._require_same_currency(other)
        return Money(amount=self.amount + other.amount, currency=self.currency)

    def __sub__(self, other: Money) -> Money:
        self._require_same_currency(other)
        return Money(amount=self.amount - other.amount, currency=self.currency)

    def __neg__(self) -> Money:
        return Money(amount=-self.amount, currency=self.currency)

    def __str__(self) -> str:
        return f"{_plain(self.amount)} {self.currency}"

    def _require_same_currency(self, other: Money) -> None:
        if self.currency != other.currency:
            raise ValueError(f"cannot combine {self.currency} with {other.currency}")


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum; 0 for none."""
    return sum(amounts, Decimal(0))


def split(amount: Decimal, weights: Sequence[Decimal], unit: Decimal) -> list[Decimal]:
    """Split `amount` by `weights` in steps of `unit`, by largest remainder; the sum stays exact.

    If all weights are zero, they count as equal. If `amount` is finer than `unit`, the first part has the rest.
    """
    if not weights:
        raise ValueError("an amount cannot be split into no parts")
    base = total(weights)
    shares = [Decimal(1)] * len(weights) if base == 0 else list(weights)
    whole = total(shares)
    exact_parts = [amount * share / whole for share in shares]
    parts = [(part / unit).to_integral_value(rounding="ROUND_FLOOR") * unit for part in exact_parts]
    left = amount - total(parts)
    steps = int(left / unit)
    by_remainder = sorted(range(len(parts)), key=lambda i: (-(exact_parts[i] - parts[i]), i))
    for step in range(steps):
        parts[by_remainder[step % len(parts)]] += unit
    parts[0] += amount - total(parts)
    return parts


def rounded(amount: Decimal, unit: Decimal) -> Decimal:
    """`amount` rounded to the nearest `unit`, halves away from zero, as tills do."""
    return (amount / unit).to_integral_value(rounding=ROUND_HALF_UP) * unit
