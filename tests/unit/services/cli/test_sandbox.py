"""What `tillbridge sandbox` makes of an order before it is placed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from deploy.local.traffic import order
from services.cli.place import find
from services.cli.sandbox import (
    UNREADABLE,
    find_sandbox,
    next_number,
    readable,
    unreadable,
    without_currency,
    without_item,
)
from shared.canonical.event import read_event
from shared.connectors.shopify.values import Unreadable, currency
from shared.entities.order.event import OrderEvent
from shared.errors import Misconfigured, Rejected

DOCUMENT = order(7, 1005, datetime(2026, 3, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("names", "number"), [((), 1001), (("#1001", "#1012", "#1003"), 1013), (("POS-7", "#x"), 1001)]
)
def test_the_next_number_is_after_the_highest(names: tuple[str, ...], number: int) -> None:
    assert next_number(list(names)) == number


def test_the_first_line_gets_an_item_that_nobody_has() -> None:
    changed = without_item(DOCUMENT, "NEW-1")

    assert changed["line_items"][0]["sku"] == "NEW-1"
    assert changed["line_items"][1:] == DOCUMENT["line_items"][1:]
    assert not changed["items"]


def test_what_is_made_unreadable_is_mended_to_what_it_was() -> None:
    poisoned = unreadable(DOCUMENT)

    with pytest.raises(Unreadable):
        currency(poisoned["currency"])
    assert poisoned["currency"] == UNREADABLE
    mended = readable(poisoned)
    assert (mended["currency"], mended["presentment_currency"]) == (DOCUMENT["currency"],) * 2


def test_an_event_that_lost_its_currency_is_repaired_by_adding_it() -> None:
    poisoned = without_currency(DOCUMENT, "main")
    body = orjson.loads(poisoned.body)

    with pytest.raises(Rejected, match=r"record\.currency \(missing\)"):
        read_event(OrderEvent, poisoned.body, "order")
    body["record"]["currency"] = DOCUMENT["currency"]
    event = read_event(OrderEvent, orjson.dumps(body), "order")
    assert (event.key, str(event.record.total)) == (str(DOCUMENT["id"]), DOCUMENT["total_price"])


def test_without_a_sandbox_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(Misconfigured, match="no sandbox runs here"):
        find_sandbox({"DATABASE_URL": "postgresql:///x"})
    place, url = find_sandbox({"DATABASE_URL": "postgresql:///x", "SANDBOX_URL": "http://here"})
    assert (url, place.connection) == ("http://here", "main")
    assert find({"DATABASE_URL": "x", "CONNECTION_NAME": "second"}).connection == "second"
