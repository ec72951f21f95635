"""Demand of each process for each shared limit.

Uses the database's clock: the processes' clocks may differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.canonical.priority import PRIORITIES, Demand
from shared.state.database import Database, columns

# A limit: connection and system.
LimitKey = tuple[str, str]

# A process that published nothing for so long is gone.
GONE_SECONDS = 5.0

_WRITE = """
    with gone as (
        delete from budget_shares where (connection, system, instance) in (
            select connection, system, instance from budget_shares
             where seen_at < now() - interval '1 minute' and instance <> $3 for update skip locked))
    insert into budget_shares (connection, system, instance, live, repair, backfill, seen_at)
    select w.connection, w.system, $3, w.live, w.repair, w.backfill, now()
      from unnest($1::text[], $2::text[], $4::float8[], $5::float8[], $6::float8[])
           as w (connection, system, live, repair, backfill)
    on conflict (connection, system, instance) do update
       set live = excluded.live, repair = excluded.repair, backfill = excluded.backfill, seen_at = excluded.seen_at"""

_READ = """
    select connection, system, instance, live, repair, backfill
      from budget_shares join unnest($1::text[], $2::text[]) as w (connection, system) using (connection, system)
     where instance <> $3 and seen_at > now() - make_interval(secs => $4)"""


class LimitDemands:
    """Publishes the demand of one process and reads that of the others."""

    def __init__(self, db: Database, instance: str) -> None:
        self._db = db
        self._instance = instance

    async def exchange(self, demands: Mapping[LimitKey, Demand]) -> dict[LimitKey, dict[str, Demand]]:
        """Publish our demand for each limit, and read that of each other process. Raises TargetDown.

        Ours is committed before theirs is read: of two that start at once, at least one reads the other's.
        """
        rows = [(*limit, *(demand.get(name, 0.0) for name in PRIORITIES)) for limit, demand in demands.items()]
        names, systems, *wanted = columns(rows, 5)
        await self._db.execute(_WRITE, names, systems, self._instance, *wanted)
        others: dict[LimitKey, dict[str, Demand]] = {limit: {} for limit in demands}
        for row in await self._db.fetch(_READ, names, systems, self._instance, GONE_SECONDS):
            others[row["connection"], row["system"]][row["instance"]] = {name: row[name] for name in PRIORITIES}
        return others

    async def withdraw(self, limits: Iterable[LimitKey]) -> None:
        """Delete our demand for these limits, so that the others need not wait until it expires."""
        names, systems = columns(list(limits), 2)
        await self._db.execute(
            """delete from budget_shares where instance = $3
                and (connection, system) in (select * from unnest($1::text[], $2::text[]))""",
            names, systems, self._instance,
        )  # fmt: skip
