"""Money is exact, and shares of it add up to what was shared."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.canonical.money import Money, exact, minor_unit, rounded, split, total


@pytest.mark.parametrize("value", [0.1, float("nan"), True, "NaN", "Infinity", "ten", "", None])
def test_what_is_not_exact_is_not_money(value: object) -> None:
    with pytest.raises(ValueError, match=r"money|number"):
        exact(value)
    with pytest.raises(ValidationError):
        Money(amount=value, currency="USD")  # type: ignore[arg-type]


def test_money_travels_as_text() -> None:
    assert Money(amount="12.30", currency="USD").model_dump_json() == '{"amount":"12.30","currency":"USD"}'
    assert Money(amount=Decimal("1E+3"), currency="USD").model_dump_json() == '{"amount":"1000","currency":"USD"}'


def test_two_currencies_do_not_add_up() -> None:
    with pytest.raises(ValueError, match="EUR"):
        Money(amount="1", currency="USD") + Money(amount="1", currency="EUR")


def test_money_adds_and_subtracts() -> None:
    one, two = Money(amount="0.10", currency="USD"), Money(amount="0.20", currency="USD")

    assert (str(one + two), str(one - two), str(-one)) == ("0.30 USD", "-0.10 USD", "-0.10 USD")


@pytest.mark.parametrize(("currency", "unit"), [("USD", "0.01"), ("JPY", "1"), ("KWD", "0.001"), ("XXX", "0.01")])
def test_the_smallest_amount_of_a_currency(currency: str, unit: str) -> None:
    assert minor_unit(currency) == Decimal(unit)


def test_a_remainder_goes_to_whom_it_is_nearest() -> None:
    parts = split(Decimal("10.00"), [Decimal(199), Decimal(199), Decimal(199)], Decimal("0.01"))

    assert [str(part) for part in parts] == ["3.34", "3.33", "3.33"]


def test_nobody_to_share_with_is_an_error() -> None:
    with pytest.raises(ValueError, match="cannot be split"):
        split(Decimal(1), [], Decimal("0.01"))


amounts = st.decimals(min_value=-100_000, max_value=100_000, places=2)
weights = st.lists(st.decimals(min_value=0, max_value=1000, places=2), min_size=1, max_size=8)


@settings(deadline=None)
@given(amounts, weights, st.sampled_from([Decimal("0.01"), Decimal(1), Decimal("0.05")]))
def test_shares_add_up_to_the_whole(amount: Decimal, by: list[Decimal], unit: Decimal) -> None:
    parts = split(amount, by, unit)

    assert total(parts) == amount
    assert len(parts) == len(by)


@settings(deadline=None)
@given(amounts, weights)
def test_no_share_is_further_than_one_unit_from_its_fair_part(amount: Decimal, by: list[Decimal]) -> None:
    parts = split(amount, by, Decimal("0.01"))
    fair = [amount * weight / total(by) if total(by) else amount / len(by) for weight in by]

    assert all(abs(part - share) <= Decimal("0.0101") for part, share in zip(parts, fair, strict=True))


@pytest.mark.parametrize(("amount", "to"), [("0.005", "0.01"), ("-0.005", "-0.01"), ("1.0049", "1.00")])
def test_halves_are_rounded_away_from_zero(amount: str, to: str) -> None:
    assert rounded(Decimal(amount), Decimal("0.01")) == Decimal(to)
