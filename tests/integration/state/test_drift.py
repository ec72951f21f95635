"""The drift ledger as PostgreSQL keeps it, and as the simulated one does."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from shared.state.database import Database
from shared.state.drift import STATES, UNDER_WAY, Drift, DriftLedger, Finding
from tests.support.messaging import NOON
from tests.unit.shared.operations.comparison.ledger import MemoryLedger

FOUND = Finding("main", "order", "1", "order_missing", "it is not there", Decimal("12.50"), "USD")
PAID = replace(FOUND, entity="payment", kind="payment_missing")


def comparable(row: Drift) -> Drift:
    """Ids are the database's own, and when something was over is not compared."""
    return replace(row, id=0, undo=None, last_seen=NOON)


async def test_what_was_over_opens_anew_and_counts_its_looks_from_one(db: Database) -> None:
    ledger = DriftLedger(db)
    await ledger.saw(FOUND, NOON)
    row = await ledger.saw(FOUND, NOON)
    assert await ledger.repairing(row)
    await ledger.undoes(row.id, {"notices": ["repair:1:1"]})
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


async def test_what_a_person_ignored_stays_ignored_as_long_as_it_is_the_same(db: Database) -> None:
    ledger = DriftLedger(db)
    row = await ledger.saw(FOUND, NOON)
    assert await ledger.becomes(row.id, "ignored")

    assert (await ledger.saw(FOUND, NOON)).state == "ignored"
    assert await ledger.open_keys("main", ["order"], UNDER_WAY) == []
    assert await ledger.open_keys("main", ["order"], ["ignored"]) == ["1"]
    assert await ledger.open_keys("main", ["payment"], ["ignored"]) == []
    assert not await ledger.becomes(row.id + 1, "open")
    another = await ledger.saw(replace(FOUND, at_risk=Decimal("12.51")), NOON)
    assert (another.id, another.state, another.looks) == (row.id, "open", 1)


async def test_what_a_person_ignored_may_be_over(db: Database) -> None:
    ledger = DriftLedger(db)
    await ledger.becomes((await ledger.saw(FOUND, NOON)).id, "ignored")

    assert [row.state for row in await ledger.over("main", ["order"], ["1"], [])] == ["gone"]
    assert (await ledger.saw(FOUND, NOON)).state == "open"


async def test_a_pass_changes_no_row_that_a_person_has_ignored_meanwhile(db: Database) -> None:
    ledger = DriftLedger(db)
    row = await ledger.saw(FOUND, NOON)
    await ledger.becomes(row.id, "ignored")

    assert not await ledger.repairing(row)
    assert not await ledger.becomes(row.id, "review", ("open", "repairing"))
    assert [one.state for one in await ledger.list(STATES)] == ["ignored"]
    assert await ledger.repairing(row, STATES)


async def test_a_repair_that_a_change_overtook_has_not_failed(db: Database) -> None:
    ledger = DriftLedger(db)
    await ledger.repairing(await ledger.saw(FOUND, NOON, content="a"))

    same = await ledger.saw(FOUND, NOON + timedelta(minutes=1), content="a")
    assert (same.state, same.repairs, same.looks) == ("repairing", 1, 2)
    changed = await ledger.saw(FOUND, NOON + timedelta(minutes=2), content="b")
    assert (changed.state, changed.repairs, changed.looks) == ("open", 0, 1)


async def test_of_two_that_want_to_repair_one_does(db: Database) -> None:
    ledger = DriftLedger(db)
    row = await ledger.saw(FOUND, NOON)

    assert [await ledger.repairing(row), await ledger.repairing(row)] == [True, False]


async def test_what_was_sent_through_by_itself_counts_for_an_hour(db: Database) -> None:
    ledger = DriftLedger(db)
    for key, undo in (("1", {"at": NOON.isoformat()}), ("2", {"at": NOON.isoformat(), "by_hand": True}), ("3", {})):
        await ledger.undoes((await ledger.saw(replace(FOUND, key=key), NOON)).id, undo)
    await ledger.over("main", ["order"], ["1"], [])

    assert [row.key for row in await ledger.repaired_since("main", ["order"], NOON)] == ["1"]
    assert await ledger.repaired_since("main", ["payment"], NOON) == []
    assert await ledger.repaired_since("main", ["order"], NOON + timedelta(seconds=1)) == []


async def test_the_simulated_ledger_does_as_the_real_one(db: Database) -> None:
    real, simulated, dice = DriftLedger(db), MemoryLedger(), random.Random(7)
    findings = [
        replace(one, key=key, at_risk=Decimal(risk)) for one in (FOUND, PAID) for key in "123" for risk in (1, 2)
    ]
    for step in range(200):
        now, finding = NOON + timedelta(minutes=step), dice.choice(findings)
        match dice.choice(("saw", "saw", "saw", "repairing", "over", "ignored")):
            case "saw":
                changed_at = now - timedelta(minutes=dice.choice((-1, 0, 1, 90)))
                seen_as = finding, now, changed_at, dice.choice("ab")
                rows = await real.saw(*seen_as), simulated.saw(*seen_as)
                assert comparable(rows[0]) == comparable(rows[1])
            case "repairing" if finding.place in simulated.rows:
                row = simulated.rows[finding.place]
                [there] = [one for one in await real.list(STATES) if (one.entity, one.key) == (row.entity, row.key)]
                await real.repairing(there, STATES)
                simulated.repairing(row)
            case "ignored" if finding.place in simulated.rows:
                row = simulated.rows[finding.place]
                [there] = [one for one in await real.list(STATES) if (one.entity, one.key) == (row.entity, row.key)]
                await real.becomes(there.id, "ignored")
                simulated.rows[finding.place] = replace(row, state="ignored")
            case "over":
                seen = [one.place for one in findings if dice.random() < 0.5]
                await real.over("main", ["order", "payment"], ["1", "2"], seen)
                simulated.over(["order", "payment"], ["1", "2"], seen)
    held = {(row.entity, row.key, row.kind): comparable(row) for row in await real.list(STATES)}
    assert held == {place: comparable(row) for place, row in simulated.rows.items()}
