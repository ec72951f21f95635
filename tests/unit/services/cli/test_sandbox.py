"""What `tillbridge sandbox` makes of an order before it is placed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from services.cli.running_system import find_running_system
from services.cli.sandbox import find_sandbox, without_currency
from services.sandbox.demo.orders import order
from shared.canonical.event import read_event
from shared.entities.order.event import OrderEvent
from shared.errors import Misconfigured, Rejected

DOCUMENT = order(7, 1005, datetime(2026, 3, 1, tzinfo=UTC))


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

    with pytest.raises(Misconfigured, match="no sandbox is running"):
        find_sandbox({"DATABASE_URL": "postgresql:///x"})
    system, url = find_sandbox({"DATABASE_URL": "postgresql:///x", "SANDBOX_URL": "http://here"})
    assert (url, system.connection) == ("http://here", "main")
    assert find_running_system({"DATABASE_URL": "x", "CONNECTION_NAME": "second"}).connection == "second"
