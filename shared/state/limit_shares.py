"""What the processes that share a rate limit want of it. By the database's clock, so that theirs need not agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.canonical.priority import PRIORITIES, Demand
from shared.state.database import Database, columns

# A limit by connection and system.
Limit = tuple[str, str]

# Who was not heard of for so long is gone.
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


class BudgetShares:
    """One process among those that share."""

    def __init__(self, db: Database, instance: str) -> None:
        self._db = db
        self._instance = instance

    async def exchange(self, demands: Mapping[Limit, Demand]) -> dict[Limit, dict[str, Demand]]:
        """Tell what we want of each limit, and hear what each of the others wants. Raises TargetDown.

        Ours is committed before theirs is read: of two who begin at once, one at least hears of the other.
        """
        rows = [(*limit, *(demand.get(name, 0.0) for name in PRIORITIES)) for limit, demand in demands.items()]
        names, systems, *wanted = columns(rows, 5)
        await self._db.execute(_WRITE, names, systems, self._instance, *wanted)
        others: dict[Limit, dict[str, Demand]] = {limit: {} for limit in demands}
        for row in await self._db.fetch(_READ, names, systems, self._instance, GONE_SECONDS):
            others[row["connection"], row["system"]][row["instance"]] = {name: row[name] for name in PRIORITIES}
        return others

    async def withdraw(self, limits: Iterable[Limit]) -> None:
        """We want nothing of these any more: the others need not wait until they notice."""
        names, systems = columns(list(limits), 2)
        await self._db.execute(
            """delete from budget_shares where instance = $3
                and (connection, system) in (select * from unnest($1::text[], $2::text[]))""",
            names, systems, self._instance,
        )  # fmt: skip
