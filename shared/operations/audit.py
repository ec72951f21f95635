"""The audit trail: what operators did."""

from __future__ import annotations

from collections.abc import Sequence

from shared.state.audit import Audit, Checked, Entry, check
from shared.state.database import Database


async def list_audit(database: Database, limit: int) -> Sequence[Entry]:
    """The latest `limit` entries, oldest first; all for 0. Raises TargetDown."""
    return await Audit(database).entries(limit)


async def verify_audit(database: Database, since: str = "") -> Checked:
    """Whether no row was changed or taken out, and the row that an earlier check named is still there."""
    return check(await Audit(database).entries(), since)
