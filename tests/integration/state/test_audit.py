"""The audit trail: appended by many at once, and no row can be changed or taken out unseen."""

from __future__ import annotations

import asyncio

import pytest

from shared.state.audit import Audit, check, first_fault
from shared.state.database import Database
from tests.support.messaging import NOON


async def test_rows_of_many_writers_follow_each_other(db: Database, other_db: Database) -> None:
    trails = [Audit(db), Audit(other_db)]
    await asyncio.gather(
        *(trails[n % 2].note(NOON, "ann", "dlq.replay", f"letter-{n}", {"n": n, "at": NOON}) for n in range(20))
    )

    entries = await Audit(db).entries()
    assert [entry.number for entry in entries] == list(range(1, 21))
    assert first_fault(entries) is None
    assert [entry.number for entry in await Audit(db).entries(3)] == [18, 19, 20]


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        ("update audit set actor = 'bob' where number = 2", "row 2 was changed"),
        ("update audit set details = '{\"n\": 9}' where number = 1", "row 1 was changed"),
        ("delete from audit where number = 2", "row 2 is missing"),
        ("update audit set hash = 'x' where number = 1", "row 1 was changed"),
    ],
)
async def test_harm_is_seen(db: Database, harm: str, found: str) -> None:
    for number in range(3):
        await Audit(db).note(NOON, "ann", "dlq.replay", f"letter-{number}", {"n": number})
    await db.execute(harm)

    assert first_fault(await Audit(db).entries()) == found


async def test_what_was_cut_off_or_written_anew_shows_against_an_earlier_check(db: Database) -> None:
    assert check(await Audit(db).entries()).fault is None
    for number in range(3):
        await Audit(db).note(NOON, "ann", "dlq.replay", f"letter-{number}", {"n": number})
    earlier = check(await Audit(db).entries())
    assert (earlier.rows, earlier.mark.partition(":")[0], earlier.fault) == (3, "3", None)

    await Audit(db).note(NOON, "ann", "dlq.replay", "letter-3", {})
    assert check(await Audit(db).entries(), earlier.mark).fault is None
    await db.execute("delete from audit where number >= 3")
    assert check(await Audit(db).entries()).fault is None
    assert check(await Audit(db).entries(), earlier.mark).fault == "row 3 is not what it was at the earlier check"


async def test_texts_that_no_database_takes_are_noted_all_the_same(db: Database) -> None:
    await Audit(db).note(NOON, "ann", "dlq.discard", "x", {"reason": "bytes \udcff and a \x00", "n": {"a": "\udcfe"}})

    assert check(await Audit(db).entries()).fault is None
