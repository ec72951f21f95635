"""What the ledger tells of an invoice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.entities.fulfilment.to_shopify.history import ShipmentHistory
from shared.state.ledger import Claim

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
GID = "gid://shopify/Fulfillment/"
PART = {
    "fulfilment_order": "fo-1", "line": "1", "order_line": "l1", "location": "loc/1", "item": "7", "quantity": 2,
}  # fmt: skip


def at(seconds: int) -> datetime:
    return NOON + timedelta(seconds=seconds)


def claim(state: Any = "done", *, made: str = "1", tracking: str = "", of: int = 0) -> Claim:
    told = {"number": tracking} if tracking else {}
    result = {"parts": [PART], "before": [], "tracking": told, "version": at(of).isoformat()}
    return Claim(state, {**result, "id": GID + made, "fulfilment": GID + made} if state == "done" else result, NOON, 1)


def test_other_invoices_of_the_order_count_as_known_only() -> None:
    past = ShipmentHistory.read("10", {"fulfilment:10:5": claim(made="1"), "fulfilment:101:5": claim(made="2")})

    assert past.invoice_fulfilments() == [GID + "1"]
    assert past.fulfilments == {GID + "1", GID + "2"}
    assert [(part.item, part.quantity) for part in past.allocated()] == [("7", 2)]


def test_what_is_in_doubt_or_failed_placed_nothing() -> None:
    effects = {"fulfilment:10:5": claim("in_doubt"), "fulfilment:10:6": claim("new")}
    past = ShipmentHistory.read("10", effects)

    assert (past.allocated(), past.invoice_fulfilments()) == ([], [])
    assert list(past.in_doubt()) == ["fulfilment:10:5"]


@pytest.mark.parametrize(
    ("effects", "operation"),
    [
        pytest.param({}, "fulfilment:10:5", id="the first call"),
        pytest.param({"fulfilment:10:5": claim("new")}, "fulfilment:10:5", id="the first failed"),
        pytest.param({"fulfilment:10:5": claim("in_doubt")}, "fulfilment:10:5", id="the first is in doubt"),
        pytest.param({"fulfilment:10:5": claim()}, "fulfilment:10:5:2", id="one is done"),
        pytest.param({"fulfilment:10:55": claim()}, "fulfilment:10:5", id="one is done elsewhere"),
        pytest.param({"fulfilment:10:5": claim(), "fulfilment:10:5:2": claim()}, "fulfilment:10:5:3", id="two are"),
        pytest.param({"fulfilment:10:5": claim(), "fulfilment:10:5:2": claim("new")}, "fulfilment:10:5:2", id="again"),
    ],
)
def test_a_call_keeps_its_name_until_it_is_done(effects: dict[str, Claim], operation: str) -> None:
    assert ShipmentHistory.read("10", effects).next_call("gid://shopify/Location/5") == operation


def test_a_location_without_id_has_calls_too() -> None:
    assert ShipmentHistory.read("10", {}).next_call("") == "fulfilment:10:-"


@pytest.mark.parametrize(
    ("effects", "version", "number", "outdated"),
    [
        pytest.param([claim()], 60, "1Z9", True, id="it came later"),
        pytest.param([claim()], 0, "1Z9", True, id="it came within the same second"),
        pytest.param([claim(tracking="1Z9")], 60, "1Z9", False, id="it was there from the start"),
        pytest.param([claim(tracking="1Z1")], 60, "1Z9", True, id="it was corrected"),
        pytest.param([claim(tracking="1Z1", of=60)], 0, "1Z9", False, id="an old notice"),
        pytest.param([claim(tracking="1Z1")], 60, "", False, id="it was taken away"),
        pytest.param([claim(), claim(tracking="1Z9", of=60)], 60, "1Z9", False, id="it was carried over"),
        pytest.param([claim(), claim(tracking="1Z9", of=60)], 90, "1Z1", True, id="corrected once more"),
        pytest.param([claim(), claim("in_doubt", of=60)], 60, "1Z9", True, id="in doubt"),
    ],
)
def test_a_fulfilment_is_outdated_by_a_younger_version_with_another_tracking(
    effects: list[Claim], version: int, number: str, outdated: bool
) -> None:
    names = ("fulfilment:10:5", "tracking:10:1:x")
    past = ShipmentHistory.read("10", dict(zip(names, effects, strict=False)))

    found = past.outdated({"number": number} if number else {}, at(version))

    assert found == ([GID + "1"] if outdated else [])


def test_what_is_in_doubt_is_settled_from_the_oldest_on() -> None:
    later, earlier = claim("in_doubt"), Claim("in_doubt", {}, at(-60), 1)
    past = ShipmentHistory.read(
        "10", {"fulfilment:10:5": later, "fulfilment:10:6": earlier, "fulfilment:10:7": claim()}
    )

    assert list(past.in_doubt()) == ["fulfilment:10:6", "fulfilment:10:5"]


@pytest.mark.parametrize(
    ("effects", "operation"),
    [
        pytest.param({}, "tracking:10:1:v:d", id="the first change"),
        pytest.param({"tracking:10:1:v:d": claim("in_doubt")}, "tracking:10:1:v:d", id="in doubt"),
        pytest.param({"tracking:10:1:v:d": claim()}, "tracking:10:1:v:d:2", id="changed, and changed back"),
        pytest.param({"tracking:10:1:v:e": claim()}, "tracking:10:1:v:d", id="another tracking"),
    ],
)
def test_a_change_of_tracking_keeps_its_name_until_it_is_done(effects: dict[str, Claim], operation: str) -> None:
    assert ShipmentHistory.read("10", effects).next_change(GID + "1", "v", "d") == operation
