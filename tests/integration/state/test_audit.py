"""The audit trail: appended by many at once, and no row can be changed or taken out unseen."""

from __future__ import annotations

import asyncio

import pytest

from shared.state.audit import Audit, first_fault
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
