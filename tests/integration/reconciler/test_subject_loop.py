"""The service by itself: replicas take turns, full passes go on between sweeps, and the command line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from deploy.local.engine import Engine
from services.reconciler import subject_loop
from shared.operations.comparison.subjects import subject_of
from shared.state.audit import Audit
from shared.state.cursors import Cursors
from shared.state.drift import DriftLedger, Finding
from tests.integration.cli.test_commands import Shell
from tests.integration.reconciler.harness import CONNECTION, WITHOUT_POLLER, Harness, open_harness
from tests.support.messaging import NOON

SUBJECT = subject_of("order")

pytestmark = pytest.mark.timeout(300)
OFTEN = {"RECONCILE_SECONDS": "0.5", "RECONCILE_RECHECK_SECONDS": "0.2"}


@pytest.fixture
async def harness(engine: Engine, topic_prefix: str, database_url: str) -> AsyncIterator[Harness]:
    async with open_harness(engine, topic_prefix, database_url, **OFTEN) as opened:
        await opened.sandbox.control("POST", "/heartland/items", {"public_id": "TEE", "price": "10.00"})
        yield opened


async def begun_long_ago(harness: Harness) -> None:
    """So that old orders count, and sweeps do not see them."""
    now = harness.parts.clock.now()
    position = {"start": (now - timedelta(days=60)).isoformat(), "swept_at": now.isoformat()}
    await Cursors(harness.database).put(CONNECTION, SUBJECT.feed, position)


async def test_a_full_pass_finds_in_slices_what_no_sweep_can_see(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject_loop, "_SLICE", 1)
    await begun_long_ago(harness)
    for number in (3001, 3002, 3003):
        await harness.order(number, updated_at=f"2026-11-20T10:00:0{number - 3000}+00:00")
    harness.start(*WITHOUT_POLLER, "reconciler")

    for number in (3001, 3002, 3003):
        await harness.arrived(number)
    position = await Cursors(harness.database).get(CONNECTION, SUBJECT.feed)
    assert position is not None
    assert "full_at" in position
    assert "at" not in position


async def test_another_replica_goes_on_where_one_was_killed(harness: Harness) -> None:
    await begun_long_ago(harness)
    await harness.order(3001)
    harness.start(*WITHOUT_POLLER, "reconciler")
    await harness.arrived(3001)
    harness.start("another reconciler")
    await harness.kill("reconciler")

    await harness.sandbox.control("POST", "/shopify/orders/6100000300100/edit", {"note": "by the door"})

    async def found() -> bool:
        return "order_behind" in await harness.kinds("repaired")

    await harness.until("the other one to have put it right", found)
    assert await harness.created("heartland", "sales/orders") == 1


async def test_differences_by_hand(harness: Harness, shell: Shell) -> None:
    await harness.order(3001)
    found = (await shell("reconcile", "order", "--since", "2026-11-01", "--dry-run", "--json")).json[CONNECTION]
    assert [(row["kind"], row["at_risk"]) for row in found["found"]] == [("order_missing", "25.00")]
    [row] = (await shell("drift", "list", "--json")).json
    assert (row["state"], row["looks"]) == ("open", 1)

    harness.start(*WITHOUT_POLLER)
    sent = await shell("drift", "repair", str(row["id"]))
    await harness.arrived(3001)
    shown = (await shell("drift", "show", str(row["id"]), "--json")).json
    assert (sent.code, shown["undo"]["notices"]) == (0, [f"repair:{row['id']}:1"])
    assert shown["undo"]["held"]["heartland_id"] == ""

    other = await DriftLedger(harness.database).saw(
        Finding(CONNECTION, "payment", "1", "payment_exceeds", "more there", repairable=False), NOON
    )
    refused = await shell("drift", "repair", str(other.id))
    assert (refused.code, "correct it by hand" in refused.err) == (1, True)
    assert (await shell("drift", "ignore", str(other.id))).code == 1
    assert (await shell("drift", "ignore", str(other.id), "--because", "paid in cash")).code == 0
    assert [row["id"] for row in (await shell("drift", "list", "--state", "ignored", "--json")).json] == [other.id]
    actions = [entry.action for entry in await Audit(harness.database).entries()]
    assert sorted(actions) == ["drift.ignore", "drift.ignore", "drift.repair", "drift.repair"]


@pytest.fixture
def shell(harness: Harness, tmp_path: object) -> Shell:
    return Shell(harness.environ, tmp_path)  # type: ignore[arg-type]
