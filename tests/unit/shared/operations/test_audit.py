"""An act has a row before it begins, whatever happens then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import pytest

from shared.errors import Rejected, TargetDown
from shared.operations.audit import audited
from shared.state.audit import Audit
from tests.support.clock import FakeClock


@dataclass
class FakeAudit:
    """Keeps details; refuses from the row `refuses_from` on."""

    refuses_from: int = 100
    rows: list[dict[str, Any]] = field(default_factory=list)

    async def note(self, _at: datetime, actor: str, action: str, what: str, details: Mapping[str, Any]) -> None:
        if len(self.rows) >= self.refuses_from:
            raise TargetDown("no database")
        assert (actor, action, what) == ("ann", "drift.ignore", "7")
        self.rows.append(dict(details))


def act(audit: FakeAudit) -> Any:
    return audited(cast("Audit", audit), FakeClock(), "ann", "drift.ignore", "7", {"because": "paid"})


async def test_the_row_stands_before_the_act_and_the_outcome_after_it() -> None:
    audit = FakeAudit()
    async with act(audit) as outcome:
        assert audit.rows == [{"because": "paid", "state": "requested"}]
        outcome["records"] = 2

    assert audit.rows[1:] == [{"records": 2, "state": "done"}]


async def test_an_act_that_fails_is_recorded_as_failed_with_its_reason() -> None:
    audit = FakeAudit()
    with pytest.raises(Rejected):
        async with act(audit):
            raise Rejected("not any more")

    assert audit.rows[1:] == [{"state": "failed", "reason": "not any more"}]


async def test_a_crash_leaves_the_first_row() -> None:
    audit = FakeAudit()
    with pytest.raises(KeyboardInterrupt):
        async with act(audit):
            raise KeyboardInterrupt

    assert [row["state"] for row in audit.rows] == ["requested"]


async def test_without_a_row_there_is_no_act() -> None:
    has_begun = False
    with pytest.raises(TargetDown):
        async with act(FakeAudit(refuses_from=0)):
            has_begun = True

    assert not has_begun
