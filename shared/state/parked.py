"""Parked keys: records that failed wait here in order, while all other keys are processed.

A key of `parked_keys` has its records in `parked`. Only the process that owns the partition changes them:
taking partitions over raises their epoch, and every change is made in a transaction that checks it. An operator's
actions are at the end.
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
    """An unchanged Kafka record.

    `seq` is its position among the key's waiting records; None before it is stored.
    """

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
    """Result of taking partitions over: the epoch of each, and the keys parked there."""

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
        """Take ownership of partitions and fence off former owners.

        Must run before their first record is processed.
        """
        async with self._db.transaction() as connection:
            owned = await connection.fetch(
                """insert into owners as o (service, topic, partition, epoch, instance)
                   select $1, $2, partition, 1, $4 from unnest($3::int[]) as p (partition) order by partition
                   on conflict (service, topic, partition) do update
                      set epoch = o.epoch + 1, instance = excluded.instance, taken_at = clock_timestamp()
                   returning partition, epoch""",
                self._service, topic, sorted(partitions), instance,
            )  # fmt: skip
            # A separate statement: it sees what a former owner committed before we locked the rows.
            rows = await connection.fetch(
                f"select {_KEY} from parked_keys where service = $1 and topic = $2 and partition = any($3::int[])",  # noqa: S608
                self._service, topic, [row["partition"] for row in owned],
            )  # fmt: skip
        return Taken({row["partition"]: row["epoch"] for row in owned}, [_key(row) for row in rows])

    async def park(self, key: ParkedKey, records: Sequence[ParkedRecord], epoch: int) -> None:
        """Park a key with its records, atomically. Idempotent: the first failure and the records stay.

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
        """Append records to a parked key. None if it is not parked any more: the caller processes them itself.

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
        """Keys due for a retry, longest overdue first, at most `limit` per connection."""
        rows = await self._db.fetch(_DUE, self._service, now, topic, list(partitions), limit)
        return [_key(row) for row in rows]

    async def awaited(self) -> dict[str, list[ParkedKey]]:
        """Keys by what they wait for, over all topics and partitions of the service."""
        rows = await self._db.fetch(
            f"select {_KEY} from parked_keys where service = $1 and waits_for is not null and state = 'waiting'",  # noqa: S608
            self._service,
        )
        awaited: dict[str, list[ParkedKey]] = {}
        for row in rows:
            awaited.setdefault(row["waits_for"], []).append(_key(row))
        return awaited

    async def wake(self, names: Iterable[tuple[str, str]], now: datetime) -> int:
        """Make keys due at once that wait for these (connection, name) pairs. Returns how many."""
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
        """Delete records up to `through_seq`, which are done. True if none is left and the key is unparked.

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
        """Note a failed attempt; the next is at `next_attempt_at`."""
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
        """Stop retrying: the key stays parked until a person releases it."""
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
        """Lock our ownership of the partition until the transaction ends.

        Raises Fenced if it is not ours any more.
        """
        found = await connection.fetchval(
            "select epoch from owners where service = $1 and topic = $2 and partition = $3 for share",
            self._service, topic, partition,
        )  # fmt: skip
        if found != epoch:
            raise Fenced(f"partition {partition} of {topic} belongs to another process by now")

    async def _locked(self, connection: Connection, topic: str, key: str) -> bool:
        """Whether the key is parked. Locks its row, so that `append` and `release` exclude each other."""
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
        # The records exist already; or other events do, which had these offsets before the broker lost its log.
        if await connection.execute(_ASIDE, *values) != "UPDATE 0":
            await connection.execute(_INSERT, *values)


_ROWS = """unnest($2::text[], $3::int[], $4::bigint[], $5::text[], $6::text[], $7::bytea[])
             as r (topic, partition, "offset", key, headers, body)"""
_INSERT = f"""
    insert into parked (service, topic, partition, "offset", key, headers, body)
    select $1, topic, partition, "offset", key, headers::jsonb, body from {_ROWS}
        on conflict (service, topic, partition, "offset") do nothing"""  # noqa: S608
# An event whose offset was reused is the only copy left. It keeps its position, under an offset that cannot occur.
_ASIDE = f"""
    update parked p set "offset" = -p.seq from {_ROWS}
     where p.service = $1 and p.topic = r.topic and p.partition = r.partition and p."offset" = r."offset"
       and (p.key <> r.key or p.headers <> r.headers::jsonb)"""  # noqa: S608

# One index scan per connection with parked keys, however many keys there are.
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
    """The aggregate's id in a key: the part after the connection."""
    return key.partition("|")[2] or key


def _name(waits_for: str | None) -> str | None:
    return None if waits_for is None else clean(waits_for)


def _key(row: asyncpg.Record) -> ParkedKey:
    return ParkedKey(**dict(row.items()))


def _record(row: asyncpg.Record, key: str) -> ParkedRecord:
    headers = tuple((name, _bytes(value)) for name, value in row["headers"])
    return ParkedRecord(row["topic"], row["partition"], row["offset"], key, headers, row["body"], row["seq"])


def _stored(headers: Iterable[Header]) -> str:
    """Headers as JSON, lossless: readable text as text, everything else as base64.

    As JSON text, since asyncpg would take a list within an array of jsonb for another array dimension.
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


# Operator actions. The partition's owner keeps running: row locks exclude the two.


async def retry_now(db: Database, service: str, topic: str, key: str) -> bool:
    """Make a key due at once with its attempts reset, even if halted. False if it is not parked.

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
    """Delete a key's records up to `through_seq`, which are kept elsewhere.

    True: none is left, the key is unparked.

    False: later records still wait. Raises TargetDown without a database.
    """
    async with db.transaction() as connection:
        place = (service, topic, clean(key))
        # The same lock as the owner takes: a concurrent append either goes first or finds the key unparked.
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
