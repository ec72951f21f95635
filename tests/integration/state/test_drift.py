"""The drift ledger as PostgreSQL keeps it, and as the simulated one does."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from shared.state.database import Database
from shared.state.drift import Drift, DriftLedger, Finding
from tests.support.messaging import NOON
from tests.unit.services.reconciler.ledger import MemoryLedger

FOUND = Finding("main", "order", "1", "order_missing", "it is not there", Decimal("12.50"), "USD")
PAID = replace(FOUND, entity="payment", kind="payment_missing")
STATES = ("open", "repairing", "repaired", "gone", "ignored", "review")


def comparable(row: Drift) -> Drift:
    """Ids are the database's own, and when something was over is not compared."""
    return replace(row, id=0, undo=None, last_seen=NOON)


async def test_what_was_over_opens_anew_and_counts_its_looks_from_one(db: Database) -> None:
    ledger = DriftLedger(db)
    await ledger.saw(FOUND, NOON)
    await ledger.repairing((await ledger.saw(FOUND, NOON)).id, {"notices": ["repair:1:1"]})
    [over] = await ledger.over("main", ["order"], ["1"], [])

    again = await ledger.saw(FOUND, NOON + timedelta(hours=1))
    assert (over.state, over.looks, over.undo) == ("repaired", 2, {"notices": ["repair:1:1"]})
    assert (again.id, again.state, again.looks, again.repairs) == (over.id, "open", 1, 0)
    assert again.first_seen == NOON + timedelta(hours=1)


async def test_only_what_was_compared_can_be_over(db: Database) -> None:
    ledger = DriftLedger(db)
    for finding in (FOUND, PAID, replace(FOUND, key="2"), replace(FOUND, connection="other")):
        await ledger.saw(finding, NOON)

    over = await ledger.over("main", ["payment"], ["1"], [])
    assert [(row.entity, row.key) for row in over] == [("payment", "1")]
    assert [(row.connection, row.key) for row in await ledger.list()] == [("main", "1"), ("main", "2"), ("other", "1")]


async def test_what_a_person_ignored_stays_ignored(db: Database) -> None:
    ledger = DriftLedger(db)
    row = await ledger.saw(FOUND, NOON)
    assert await ledger.becomes(row.id, "ignored")

    await ledger.over("main", ["order"], ["1"], [])
    assert (await ledger.saw(FOUND, NOON)).state == "ignored"
    assert (await ledger.open_keys("main"), await ledger.becomes(row.id + 1, "open")) == ([], False)


async def test_the_simulated_ledger_does_as_the_real_one(db: Database) -> None:
    real, simulated, dice = DriftLedger(db), MemoryLedger(), random.Random(7)
    findings = [replace(one, key=key) for one in (FOUND, PAID) for key in "123"]
    for step in range(200):
        now, finding = NOON + timedelta(minutes=step), dice.choice(findings)
        match dice.choice(("saw", "saw", "saw", "repairing", "over")):
            case "saw":
                rows = await real.saw(finding, now), simulated.saw(finding, now)
                assert comparable(rows[0]) == comparable(rows[1])
            case "repairing" if finding.place in simulated.rows:
                row = simulated.rows[finding.place]
                [there] = [one for one in await real.list(STATES) if (one.entity, one.key) == (row.entity, row.key)]
                await real.repairing(there.id, {})
                simulated.repairing(row)
            case "over":
                seen = [one.place for one in findings if dice.random() < 0.5]
                await real.over("main", ["order", "payment"], ["1", "2"], seen)
                simulated.over(["order", "payment"], ["1", "2"], seen)
    held = {(row.entity, row.key, row.kind): comparable(row) for row in await real.list(STATES)}
    assert held == {place: comparable(row) for place, row in simulated.rows.items()}
