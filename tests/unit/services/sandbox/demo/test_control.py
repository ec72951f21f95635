"""Demo orders: plain ones and faulty ones."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.sandbox.demo.control import next_number
from services.sandbox.demo.faulty import (
    INVALID_CURRENCY,
    with_currency_restored,
    with_invalid_currency,
    with_unknown_item,
)
from services.sandbox.demo.orders import order

DOCUMENT = order(7, 1005, datetime(2026, 3, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("names", "number"), [((), 1001), (("#1001", "#1012", "#1003"), 1013), (("POS-7", "#x"), 1001)]
)
def test_the_next_number_is_after_the_highest(names: tuple[str, ...], number: int) -> None:
    assert next_number(list(names)) == number


def test_the_first_line_gets_an_item_that_heartland_lacks() -> None:
    changed = with_unknown_item(DOCUMENT, "NEW-1")

    assert changed["line_items"][0]["sku"] == "NEW-1"
    assert changed["line_items"][1:] == DOCUMENT["line_items"][1:]


def test_an_invalid_currency_is_restored_to_what_it_was() -> None:
    faulty = with_invalid_currency(DOCUMENT)

    assert faulty["currency"] == INVALID_CURRENCY
    restored = with_currency_restored(faulty)
    assert (restored["currency"], restored["presentment_currency"]) == (DOCUMENT["currency"],) * 2
