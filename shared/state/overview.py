"""Read-only queries for `status` and `parked list`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from shared.state.database import Database
from shared.state.drift import UNDER_WAY


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """Counts of one connection. `in_doubt`: effects that were sent and whose outcome is unknown.

    `drift` are open differences between both systems, `at_risk` the money in them, by currency;
    `dead` are records with an open dead letter.
    """

    connection: str
    orders: int
    open_reviews: int
    parked: int
    halted: int
    in_doubt: int
    drift: int = 0
    at_risk: str = ""
    alerts: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """One parked key with the number of its records."""

    service: str
    topic: str
    connection: str
    entity: str
    key: str
    state: str
    reason: str
    waits_for: str | None
    attempts: int
    records: int
    first_failed_at: datetime
    next_attempt_at: datetime

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


_CONNECTIONS = """
select c.name as connection,
       (select count(*) from links l where l.connection = c.name and l.entity = $2) as orders,
       (select count(*) from reviews r where r.connection = c.name and r.state = 'open') as open_reviews,
       (select count(*) from parked_keys p where p.connection = c.name and p.state = 'waiting') as parked,
       (select count(*) from parked_keys p where p.connection = c.name and p.state = 'halted') as halted,
       (select count(*) from effects e where e.connection = c.name and e.state = 'sent') as in_doubt,
       (select count(*) from drift d where d.connection = c.name and d.state = any($1)) as drift,
       (select coalesce(string_agg(sum || ' ' || currency, ', ' order by currency), '')
          from (select currency, sum(at_risk) from drift d
                 where d.connection = c.name and d.state = any($1) and d.at_risk > 0 group by currency) m) as at_risk,
       (select count(*) from alerts a where a.connection = c.name and a.state = 'open') as alerts,
       (select count(*) from alerts a
         where a.connection = c.name and a.state = 'open' and a.kind = 'dead_letter') as dead
from connections c where c.active order by c.name
"""

_PARKED = """
select k.service, k.topic, k.connection, k.entity, k.key, k.state, k.reason, k.waits_for, k.attempts,
       (select count(*) from parked p where (p.service, p.topic, p.key) = (k.service, k.topic, k.key)) as records,
       k.first_failed_at, k.next_attempt_at
from parked_keys k
where $1::text is null or k.connection = $1
order by k.first_failed_at
"""


async def connection_states(database: Database, entity: str) -> list[ConnectionState]:
    """Every active connection. `orders` counts the links of this entity. Raises TargetDown."""
    return [ConnectionState(**dict(row)) for row in await database.fetch(_CONNECTIONS, list(UNDER_WAY), entity)]


async def parked_rows(database: Database, connection: str | None = None) -> list[ParkedRow]:
    """All parked keys, the longest waiting first. Raises TargetDown."""
    return [ParkedRow(**dict(row)) for row in await database.fetch(_PARKED, connection)]
