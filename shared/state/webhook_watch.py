"""Webhook monitoring state per connection.

Last good check, silence, and gaps in which orders may be missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.state.database import Database

# The one cause of a gap whose filling is reported to the operator: no other cause replaces it.
LOST = "subscription"


@dataclass(frozen=True, slots=True)
class Gap:
    """Orders changed since `since` may have been missed, because of `cause`."""

    since: datetime
    cause: str


@dataclass(frozen=True, slots=True)
class Watched:
    """`good_at`: the last check with every subscription in place; `silent_since`: when silence began.

    `connected_at` is when the connection was made: from then on its orders are our business.
    """

    good_at: datetime | None = None
    gap: Gap | None = None
    silent_since: datetime | None = None
    connected_at: datetime | None = None


class WebhookWatch:
    """Every method raises TargetDown without a database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(self, connection: str) -> Watched:
        row = await self._db.fetchrow(
            """select good_at, gap_since, gap_cause, silent_since, c.created_at as connected_at
                 from (select $1::text as connection) as wish
                 left join webhook_watch as w using (connection)
                 left join connections as c on c.name = connection""",
            connection,
        )
        if row is None:
            return Watched()
        gap = Gap(row["gap_since"], row["gap_cause"]) if row["gap_since"] else None
        return Watched(row["good_at"], gap, row["silent_since"], row["connected_at"])

    async def note_gap(self, connection: str, gap: Gap) -> None:
        """Store a gap until it is filled. An open one may grow; it keeps its cause unless the new one is LOST."""
        await self._db.execute(
            """insert into webhook_watch as w (connection, gap_since, gap_cause) values ($1, $2, $3)
               on conflict (connection) do update
                  set gap_since = least(w.gap_since, excluded.gap_since),
                      gap_cause = case when w.gap_since is null or excluded.gap_cause = $4 then excluded.gap_cause
                                       else w.gap_cause end,
                      updated_at = clock_timestamp()""",
            connection, gap.since, gap.cause, LOST,
        )  # fmt: skip

    async def close_gap(self, connection: str, gap: Gap, back_to: Gap | None = None) -> None:
        """Close a gap, or restore the previous one (`back_to`), unless it has grown meanwhile."""
        await self._db.execute(
            """update webhook_watch set gap_since = $3, gap_cause = $4, updated_at = clock_timestamp()
                where connection = $1 and gap_since = $2""",
            connection, gap.since, back_to and back_to.since, back_to.cause if back_to else "",
        )  # fmt: skip

    async def note_good(self, connection: str, at: datetime) -> None:
        """Note that all subscriptions were in place at this time."""
        await self._db.execute(
            """insert into webhook_watch as w (connection, good_at) values ($1, $2)
               on conflict (connection) do update
                  set good_at = greatest(w.good_at, excluded.good_at), updated_at = clock_timestamp()""",
            connection, at,
        )  # fmt: skip

    async def note_silence(self, connection: str, since: datetime | None) -> None:
        """Note since when no webhooks came; None: they come again."""
        await self._db.execute(
            """insert into webhook_watch (connection, silent_since) values ($1, $2)
               on conflict (connection) do update
                  set silent_since = excluded.silent_since, updated_at = clock_timestamp()""",
            connection, since,
        )  # fmt: skip
