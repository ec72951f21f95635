"""Parked keys: what could not be done yet waits here, in order, while all other keys flow.

A key of `parked_keys` has its records in `parked`. Only the process that owns the partition touches them: whoever
takes partitions over raises their epoch, and every change is made in a transaction that checks it. What an operator
does by hand is at the end.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg

from shared.errors import Fenced
from shared.state.database import Database, clean, columns, to_json

if TYPE_CHECKING:
    from shared.state.database import Connection

Header = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class ParkedRecord:
    """A Kafka record as it came. `seq` is the order of waiting; None before it is stored."""

    topic: str
    partition: int
    offset: int
    key: str
    headers: Sequence[Header]
    body: bytes
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class ParkedKey:
    """A key that waits. `state` is `waiting` or `halted` (a person must decide).

    `waits_for` names what would wake it (`item:TEE-NVY-M`), None for time alone. `attempts` counts the failures.
    """

    topic: str
    partition: int
    key: str
    connection: str
    entity: str
    state: str
    reason: str
    error_class: str
    waits_for: str | None
    attempts: int
    first_failed_at: datetime
    next_attempt_at: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """What an assignment brings: the epoch of each partition, and the keys that are parked there."""

    epochs: Mapping[int, int]
    keys: Sequence[ParkedKey]


_KEY = """topic, partition, key, connection, entity, state, reason, error_class, waits_for, attempts,
          first_failed_at, next_attempt_at"""
_ROW = 'seq, topic, partition, "offset", key, headers, body'


class Parked:
    """The parked keys of one service (consumer group)."""

    def __init__(self, db: Database, service: str) -> None:
        self._db = db
        self._service = service

    async def take(self, topic: str, partitions: Iterable[int], instance: str = "") -> Taken:
        """These partitions are ours from now on: former owners are fenced off. Before their first record runs."""
        async with self._db.transaction() as connection:
            owned = await connection.fetch(
                """insert into owners as o (service, topic, partition, epoch, instance)
                   select $1, $2, partition, 1, $4 from unnest($3::int[]) as p (partition) order by partition
                   on conflict (service, topic, partition) do update
                      set epoch = o.epoch + 1, instance = excluded.instance, taken_at = clock_timestamp()
                   returning partition, epoch""",
                self._service, topic, sorted(partitions), instance,
            )  # fmt: skip
            # A statement of its own: it sees what a former owner committed before we got the rows.
            rows = await connection.fetch(
                f"select {_KEY} from parked_keys where service = $1 and topic = $2 and partition = any($3::int[])",  # noqa: S608
                self._service, topic, [row["partition"] for row in owned],
            )  # fmt: skip
        return Taken({row["partition"]: row["epoch"] for row in owned}, [_key(row) for row in rows])

    async def park(self, key: ParkedKey, records: Sequence[ParkedRecord], epoch: int) -> None:
        """Store a key with its records, all or none. Once more is harmless: its first failure and its records stay.

        This and every other change raises Fenced unless `epoch` is the partition's, TargetDown without a database.
        """
        async with self._db.transaction() as connection:
            await self._owned(connection, key.topic, key.partition, epoch)
            await connection.execute(
                f"""insert into parked_keys (service, {_KEY}, last_failed_at)
                    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, clock_timestamp())
                    on conflict (service, topic, key) do update
                       set state = excluded.state, reason = excluded.reason, error_class = excluded.error_class,
                           waits_for = excluded.waits_for, next_attempt_at = excluded.next_attempt_at,
                           attempts = greatest(parked_keys.attempts, excluded.attempts),
                           last_failed_at = excluded.last_failed_at""",  # noqa: S608
                self._service, key.topic, key.partition, clean(key.key), key.connection, key.entity, key.state,
                clean(key.reason), key.error_class, _name(key.waits_for), key.attempts, key.first_failed_at,
                key.next_attempt_at,
            )  # fmt: skip
            await self._insert(connection, records)

    async def append(
        self, topic: str, key: str, records: Sequence[ParkedRecord], collapse: bool, epoch: int
    ) -> list[ParkedRecord] | None:
        """Let records wait behind a parked key. None if it is not parked any more: the caller handles them itself.

        collapse: they are states, of which only the newest (the highest offset) counts; the others are dropped, and
        returned.
        """
        async with self._db.transaction() as connection:
            await self._owned(connection, topic, records[0].partition, epoch)
            if not await self._locked(connection, topic, key):
                return None
            await self._insert(connection, records)
            if not collapse:
                return []
            dropped = await connection.fetch(
                f"""delete from parked where service = $1 and topic = $2 and key = $3 and "offset" <
                      (select max("offset") from parked where service = $1 and topic = $2 and key = $3)
                    returning {_ROW}""",  # noqa: S608
                self._service, topic, clean(key),
            )  # fmt: skip
            return [_record(row, key) for row in dropped]

    async def due(self, now: datetime, topic: str, partitions: Iterable[int], limit: int) -> list[ParkedKey]:
        """Waiting keys whose time has come, the longest overdue first, at most `limit` of each connection."""
        rows = await self._db.fetch(_DUE, self._service, now, topic, list(partitions), limit)
        return [_key(row) for row in rows]

    async def awaited(self) -> dict[str, list[ParkedKey]]:
        """What is waited for, and by which keys, over all topics and partitions of the service."""
        rows = await self._db.fetch(
            f"select {_KEY} from parked_keys where service = $1 and waits_for is not null and state = 'waiting'",  # noqa: S608
            self._service,
        )
        awaited: dict[str, list[ParkedKey]] = {}
        for row in rows:
            awaited.setdefault(row["waits_for"], []).append(_key(row))
        return awaited

    async def wake(self, names: Iterable[tuple[str, str]], now: datetime) -> int:
        """What keys waited for, by connection and name, is there: they are due at once. Returns how many were woken."""
        rows = [(connection, clean(name)) for connection, name in names]
        return await self._db.execute(
            """update parked_keys k set next_attempt_at = $2
                 from unnest($3::text[], $4::text[]) as w (connection, waits_for)
                where k.service = $1 and k.connection = w.connection and k.waits_for = w.waits_for
                  and k.state = 'waiting' and k.next_attempt_at > $2""",
            self._service, now, *columns(rows, 2),
        )  # fmt: skip

    async def records(self, topic: str, key: str) -> list[ParkedRecord]:
        """The waiting records of a key, oldest first."""
        rows = await self._db.fetch(
            f"select {_ROW} from parked where service = $1 and topic = $2 and key = $3 order by seq",  # noqa: S608
            self._service, topic, clean(key),
        )  # fmt: skip
        return [_record(row, key) for row in rows]

    async def release(self, key: ParkedKey, through_seq: int, epoch: int) -> bool:
        """Records up to `through_seq` are done. True if none is left: the key flows again.

        Those that are left have failed nothing yet: they begin anew.
        """
        async with self._db.transaction() as connection:
            await self._owned(connection, key.topic, key.partition, epoch)
            if not await self._locked(connection, key.topic, key.key):
                return True
            place = (self._service, key.topic, clean(key.key))
            await connection.execute(
                "delete from parked where service = $1 and topic = $2 and key = $3 and seq <= $4", *place, through_seq
            )
            status = await connection.execute(
                """delete from parked_keys where service = $1 and topic = $2 and key = $3
                      and not exists (select from parked where service = $1 and topic = $2 and key = $3)""",
                *place,
            )
            if status == "DELETE 1":
                return True
            await connection.execute(
                """update parked_keys set attempts = 0, first_failed_at = clock_timestamp()
                    where service = $1 and topic = $2 and key = $3""",
                *place,
            )
            return False

    async def failed_again(
        self,
        key: ParkedKey,
        error_class: str,
        reason: str,
        waits_for: str | None,
        next_attempt_at: datetime,
        epoch: int,
    ) -> None:
        """One more attempt failed; the next is at `next_attempt_at`."""
        async with self._db.transaction() as connection:
            await self._owned(connection, key.topic, key.partition, epoch)
            await connection.execute(
                """update parked_keys
                      set attempts = attempts + 1, reason = $4, error_class = $5, waits_for = $6, next_attempt_at = $7,
                          last_failed_at = clock_timestamp()
                    where service = $1 and topic = $2 and key = $3""",
                self._service, key.topic, clean(key.key), clean(reason), error_class, _name(waits_for), next_attempt_at,
            )  # fmt: skip

    async def halt(self, key: ParkedKey, reason: str, epoch: int) -> None:
        """No more attempts: the key stays parked until a person releases it."""
        async with self._db.transaction() as connection:
            await self._owned(connection, key.topic, key.partition, epoch)
            await connection.execute(
                """update parked_keys set state = 'halted', reason = $4, last_failed_at = clock_timestamp()
                    where service = $1 and topic = $2 and key = $3""",
                self._service, key.topic, clean(key.key), clean(reason),
            )  # fmt: skip

    async def count(self) -> dict[str, int]:
        """Parked keys by entity."""
        rows = await self._db.fetch(
            "select entity, count(*) as keys from parked_keys where service = $1 group by entity", self._service
        )
        return {row["entity"]: row["keys"] for row in rows}

    async def _owned(self, connection: Connection, topic: str, partition: int, epoch: int) -> None:
        """Raises Fenced unless the partition is still ours; nobody can take it before the transaction ends."""
        found = await connection.fetchval(
            "select epoch from owners where service = $1 and topic = $2 and partition = $3 for share",
            self._service, topic, partition,
        )  # fmt: skip
        if found != epoch:
            raise Fenced(f"partition {partition} of {topic} belongs to another process by now")

    async def _locked(self, connection: Connection, topic: str, key: str) -> bool:
        """Is the key parked? If so its row is locked, and `append` and `release` cannot miss each other."""
        row = await connection.fetchrow(
            "select from parked_keys where service = $1 and topic = $2 and key = $3 for update",
            self._service, topic, clean(key),
        )  # fmt: skip
        return row is not None

    async def _insert(self, connection: Connection, records: Sequence[ParkedRecord]) -> None:
        rows = [
            (one.topic, one.partition, one.offset, clean(one.key), _stored(one.headers), one.body) for one in records
        ]
        values = (self._service, *columns(rows, 6))
        if await connection.execute(_INSERT, *values) == f"INSERT 0 {len(rows)}":
            return
        # They are there already; or other events are, which had these offsets before the broker lost its log.
        if await connection.execute(_ASIDE, *values) != "UPDATE 0":
            await connection.execute(_INSERT, *values)


_ROWS = """unnest($2::text[], $3::int[], $4::bigint[], $5::text[], $6::text[], $7::bytea[])
             as r (topic, partition, "offset", key, headers, body)"""
_INSERT = f"""
    insert into parked (service, topic, partition, "offset", key, headers, body)
    select $1, topic, partition, "offset", key, headers::jsonb, body from {_ROWS}
        on conflict (service, topic, partition, "offset") do nothing"""  # noqa: S608
# An event whose offset is another's now is the only copy left. It keeps its turn, under an offset that none can have.
_ASIDE = f"""
    update parked p set "offset" = -p.seq from {_ROWS}
     where p.service = $1 and p.topic = r.topic and p.partition = r.partition and p."offset" = r."offset"
       and (p.key <> r.key or p.headers <> r.headers::jsonb)"""  # noqa: S608

# One walk over the index per connection that has keys parked, however many those are.
_DUE = f"""
    with recursive shops as (
        select min(connection) as name from parked_keys where service = $1 and topic = $3 and state = 'waiting'
         union all
        select (select min(connection) from parked_keys
                 where service = $1 and topic = $3 and state = 'waiting' and connection > shops.name)
          from shops where shops.name is not null
    )
    select due.* from shops cross join lateral (
        select {_KEY} from parked_keys
         where service = $1 and topic = $3 and state = 'waiting' and connection = shops.name
           and next_attempt_at <= $2 and partition = any($4::int[])
         order by next_attempt_at limit $5
    ) as due
    where shops.name is not null order by due.next_attempt_at"""  # noqa: S608


def subject_of(key: str) -> str:
    """The aggregate's id in a key: what follows the connection."""
    return key.partition("|")[2] or key


def _name(waits_for: str | None) -> str | None:
    return None if waits_for is None else clean(waits_for)


def _key(row: asyncpg.Record) -> ParkedKey:
    return ParkedKey(**dict(row.items()))


def _record(row: asyncpg.Record, key: str) -> ParkedRecord:
    headers = tuple((name, _bytes(value)) for name, value in row["headers"])
    return ParkedRecord(row["topic"], row["partition"], row["offset"], key, headers, row["body"], row["seq"])


def _stored(headers: Iterable[Header]) -> str:
    """Headers as JSON: text where it is text, so that a person can read the table; else base64. No byte changes.

    As text of JSON, since a list within an array of jsonb would be taken for one more dimension of the array.
    """
    return to_json([[clean(name), _readable(value)] for name, value in headers]).decode()


def _readable(value: bytes) -> str | dict[str, str]:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\x00"
    return {"base64": base64.b64encode(value).decode()} if "\x00" in text else text


def _bytes(value: str | dict[str, str]) -> bytes:
    return value.encode() if isinstance(value, str) else base64.b64decode(value["base64"])


# What an operator does. The owner of the partition works on: row locks keep the two apart.


async def retry_now(db: Database, service: str, topic: str, key: str) -> bool:
    """Make a key due at once, with all its attempts before it, also one that was halted. False if it is not parked.

    Raises TargetDown without a database.
    """
    changed = await db.execute(
        """update parked_keys
              set state = 'waiting', attempts = 0, first_failed_at = clock_timestamp(),
                  next_attempt_at = clock_timestamp()
            where service = $1 and topic = $2 and key = $3""",
        service, topic, clean(key),
    )  # fmt: skip
    return changed > 0


async def drop_through(db: Database, service: str, topic: str, key: str, through_seq: int) -> bool:
    """Give up what waits for a key up to `through_seq`, which is kept elsewhere. True: nothing is left, the key flows.

    False: more has come meanwhile, and still waits. Raises TargetDown without a database.
    """
    async with db.transaction() as connection:
        place = (service, topic, clean(key))
        # The same lock as the owner takes: what it is appending either waits on here, or finds the key free.
        locked = await connection.fetchrow(
            "select from parked_keys where service = $1 and topic = $2 and key = $3 for update", *place
        )
        if locked is None:
            return True
        await connection.execute(
            "delete from parked where service = $1 and topic = $2 and key = $3 and seq <= $4", *place, through_seq
        )
        status = await connection.execute(
            """delete from parked_keys where service = $1 and topic = $2 and key = $3
                  and not exists (select from parked where service = $1 and topic = $2 and key = $3)""",
            *place,
        )
        return status == "DELETE 1"
