"""The audit trail: what operators did, and how every operation writes to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from shared.errors import IntegrationError
from shared.runtime.clock import Clock
from shared.state.audit import Audit, Checked, Entry, check
from shared.state.database import Database


@asynccontextmanager
async def audited(
    audit: Audit, clock: Clock, actor: str, action: str, what: str, details: Mapping[str, Any]
) -> AsyncIterator[dict[str, Any]]:
    """Record an act: a row `requested` before it begins, and a row `done` or `failed` when it has ended.

    A crash in between leaves the first row alone, never an act without a row. What is put into the yielded dict
    becomes part of the last row. Raises what the act raises; TargetDown, before the act, where no row can be written.
    """
    await audit.note(clock.now(), actor, action, what, {**details, "state": "requested"})
    outcome: dict[str, Any] = {}
    try:
        yield outcome
    except IntegrationError as error:
        await audit.note(clock.now(), actor, action, what, {**outcome, "state": "failed", "reason": error.reason})
        raise
    await audit.note(clock.now(), actor, action, what, {**outcome, "state": "done"})


async def list_audit(database: Database, limit: int) -> Sequence[Entry]:
    """The latest `limit` entries, oldest first; all for 0. Raises TargetDown."""
    return await Audit(database).entries(limit)


async def verify_audit(database: Database, since: str = "") -> Checked:
    """Whether no row was changed or removed, and the row that an earlier check printed is still there."""
    return check(await Audit(database).entries(), since)
