"""Journal: one row per hop, searchable by order number or by either system's id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from asyncpg import Record as Row

from shared.canonical.hop import Hop
from shared.state.database import Database, reaches_database

_COLUMNS = (
    "event_id, trace_id, connection, entity, key, service, outcome, attempts, source_time, started_at, finished_at, "
    "order_number, shopify_id, heartland_id, detail, lineage"
)
_NAMES = _COLUMNS.split(", ")
# Lineage is an array, which unnest would flatten: it is passed as text and split again.
_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class RecentOrder:
    """An order's latest hop; `seconds` from its first hop until Heartland had it, None before."""

    connection: str
    key: str
    order_number: str
    service: str
    outcome: str
    finished_at: datetime
    shopify_id: str
    heartland_id: str
    seconds: float | None


class Journal:
    """Every method raises TargetDown without a database."""

    def __init__(self, database: Database) -> None:
        self._pool = database.pool

    @reaches_database
    async def add(self, hops: Sequence[Hop]) -> None:
        """Insert these hops in one statement. Idempotent."""
        if not hops:
            return
        columns = [[getattr(hop, name) for hop in hops] for name in _NAMES[:-1]]
        columns.append([_SEPARATOR.join(hop.lineage) for hop in hops])
        await self._pool.execute(_ADD, *columns)

    @reaches_database
    async def story(self, connection: str | None, query: str, linked: Sequence[str] = ()) -> list[Hop]:
        """All hops for `query`, by time: an order number (with or without #), or an id of either system.

        `linked`: the entities whose links are searched for the id or the Heartland number, too.
        """
        rows = await self._pool.fetch(_STORY, query.removeprefix("#"), connection, list(linked))
        return [_hop(row) for row in rows]

    @reaches_database
    async def of_event(self, event_id: str) -> list[Hop]:
        """All hops of one event, in time."""
        rows = await self._pool.fetch(
            f"select {_COLUMNS} from journal where event_id = $1 order by finished_at, id",  # noqa: S608
            event_id,
        )
        return [_hop(row) for row in rows]

    @reaches_database
    async def answers_to(self, event_id: str, since: datetime) -> list[Hop]:
        """Hops, finished since then, of events derived from this one, by time."""
        rows = await self._pool.fetch(
            f"""select {_COLUMNS} from journal
                 where finished_at >= $2 and event_id <> $1 and $1 = any(lineage) order by finished_at, id""",  # noqa: S608
            event_id, since,
        )  # fmt: skip
        return [_hop(row) for row in rows]

    @reaches_database
    async def recent_orders(self, limit: int, entities: Sequence[str]) -> list[RecentOrder]:
        """The orders with the latest hops, newest first.

        `entities` are those whose events have an order's key.
        """
        rows = await self._pool.fetch(_RECENT, limit, list(entities))
        return [RecentOrder(**dict(row)) for row in rows]

    @reaches_database
    async def forget(self, before: datetime) -> int:
        """Delete hops that finished before this moment; returns how many."""
        tag = await self._pool.execute("delete from journal where finished_at < $1", before)
        return int(tag.rpartition(" ")[2])


_ADD = f"""
insert into journal ({_COLUMNS})
select event_id, trace_id, connection, entity, key, service, outcome, attempts, source_time, started_at, finished_at,
       order_number, shopify_id, heartland_id, detail,
       case when lineage = '' then '{{}}'::text[] else string_to_array(lineage, chr(31)) end
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int[],
            $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::text[], $13::text[], $14::text[],
            $15::text[], $16::text[])
     as t({_COLUMNS})
on conflict do nothing
"""  # noqa: S608

_STORY = f"""
with named as (
    select connection, key from journal where order_number in ($1, '#' || $1)
    union select connection, key from journal where heartland_id = $1 and heartland_id <> ''
    union select connection, key from journal where key = $1
    union select connection, shopify_id from links
          where entity = any($3::text[]) and $1 in (shopify_id, heartland_id, heartland_public_id)
)
select {_COLUMNS} from journal
where (connection, key) in (select connection, key from named) and ($2::text is null or connection = $2)
order by finished_at, id
"""  # noqa: S608

# Reads the newest hops only, not the whole table; an order without a number yet is not shown.
_RECENT = """
with latest as (
    select connection, key, max(id) as id from (
        select connection, key, id from journal
        where entity = any($2::text[]) order by id desc limit 20000
    ) as newest
    group by connection, key order by max(id) desc limit $1
)
select l.connection, l.key, j.service, j.outcome, j.finished_at, f.order_number, f.shopify_id, f.heartland_id, f.seconds
from latest l
join journal j on j.id = l.id
cross join lateral (
    select coalesce(max(order_number), '') as order_number,
           coalesce(max(nullif(shopify_id, '')), l.key) as shopify_id,
           coalesce(max(heartland_id), '') as heartland_id,
           extract(epoch from min(finished_at) filter (where service = 'heartland_writer' and outcome = 'applied')
                              - min(started_at))::float8 as seconds
    from journal h where h.connection = l.connection and h.key = l.key
) as f
order by j.id desc
"""


def _hop(row: Row) -> Hop:
    return Hop(**{name: row[name] for name in _NAMES[:-1]}, lineage=tuple(row["lineage"]))
