"""Alerts: one open row per alert for as long as it lasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.canonical.alert import Alert
from shared.state.database import Database, clean


@dataclass(frozen=True, slots=True)
class AlertRow:
    """`state` is open or resolved; `times` counts how often it was raised since it opened.

    Times are aware UTC.
    """

    id: int
    connection: str
    kind: str
    entity: str
    key: str
    service: str
    severity: str
    reason: str
    details: dict[str, Any]
    state: str
    times: int
    opened_at: datetime
    last_at: datetime


_COLUMNS = "id, connection, kind, entity, key, service, severity, reason, details, state, times, opened_at, last_at"
_Found = list[AlertRow]  # inside the class, `list` is the method

# Idempotent: an event older than the row changes nothing and a repeated one counts once, since the journal may read a
# record again.
_RAISE = """
    insert into alerts as a (connection, kind, entity, key, service, severity, reason, details, opened_at, last_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
    on conflict (connection, kind, entity, key) do update
       set service = excluded.service, severity = excluded.severity, reason = excluded.reason,
           details = excluded.details, last_at = excluded.last_at, state = 'open',
           times = case a.state when 'open' then a.times + 1 else 1 end,
           opened_at = case a.state when 'open' then a.opened_at else excluded.opened_at end
     where a.last_at < excluded.last_at"""

_RESOLVE = """
    update alerts set state = 'resolved', last_at = $5
     where connection = $1 and kind = $2 and entity = $3 and key = $4 and state = 'open' and last_at <= $5"""


class Alerts:
    """Every method raises TargetDown without a database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def take(self, alerts: Sequence[Alert]) -> None:
        """Apply these alert events in order. Idempotent."""
        for alert in alerts:
            trouble = (alert.connection, alert.kind, alert.entity, clean(alert.key))
            if alert.resolved:
                await self._db.execute(_RESOLVE, *trouble, alert.at)
                continue
            details = {clean(name): clean(value) for name, value in alert.details.items()}
            await self._db.execute(
                _RAISE, *trouble, alert.service, alert.severity, clean(alert.reason), details, alert.at
            )

    async def list(self, state: str = "open", connection: str | None = None) -> _Found:
        """Alerts in this state, the latest first."""
        rows = await self._db.fetch(
            f"""select {_COLUMNS} from alerts where state = $1 and ($2::text is null or connection = $2)
                 order by last_at desc, id desc""",  # noqa: S608
            state, connection,
        )  # fmt: skip
        return [AlertRow(**dict(row.items())) for row in rows]

    async def close(self, at: datetime, *, number: int | None = None, kind: str | None = None) -> _Found:
        """Resolve the open alert with this number, or all of this kind, by hand; returns them.

        They may reopen.
        """
        rows = await self._db.fetch(
            f"""update alerts set state = 'resolved', last_at = greatest(last_at, $1)
                 where state = 'open' and (id = $2 or kind = $3) returning {_COLUMNS}""",  # noqa: S608
            at, number, kind,
        )  # fmt: skip
        return [AlertRow(**dict(row.items())) for row in rows]

    async def forget(self, before: datetime) -> int:
        """Delete alerts resolved before this moment; returns how many."""
        return await self._db.execute("delete from alerts where state = 'resolved' and last_at < $1", before)
