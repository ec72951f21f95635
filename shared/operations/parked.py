"""Parked keys: list them, retry them now, or drop their waiting records. Every act is audited."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.canonical.alert import Alert, dealt_with
from shared.messaging.dead_letters.reader import DROPPED, DeadLetter, fate_of, read_dead_letters, still_open
from shared.messaging.dead_letters.writer import DeadLetterCause, DeadLetters, own_version
from shared.messaging.kafka.producer import Producer, open_producer
from shared.messaging.parking.parked_retry import HALTED
from shared.messaging.parking.parked_rows import record_of
from shared.messaging.topics import DEAD_LETTERS, topic_name
from shared.operations.audit import audited
from shared.runtime.clock import Clock, SystemClock
from shared.runtime.settings import Settings
from shared.state.alerts import Alerts
from shared.state.audit import Audit
from shared.state.database import Database
from shared.state.database_clock import database_clock
from shared.state.dead_letter_status import DeadLetterStatuses, Fate
from shared.state.overview import ParkedRow, parked_rows
from shared.state.parked import Parked, drop_through, retry_now, subject_of
from shared.state.reviews import Reviews


@dataclass(frozen=True, slots=True)
class ParkedSelection:
    """Selects parked keys, by whole key or by the record's id alone; an empty field selects all."""

    keys: tuple[str, ...] = ()
    reason: str = ""
    waits_for: str = ""
    entity: str = ""
    connection: str = ""
    service: str = ""

    @property
    def is_any(self) -> bool:
        return self == ParkedSelection()

    def takes(self, row: ParkedRow) -> bool:
        return (
            (not self.keys or row.key in self.keys or subject_of(row.key) in self.keys)
            and self.reason.lower() in row.reason.lower()
            and self.waits_for in ("", row.waits_for)
            and self.entity in ("", row.entity)
            and self.connection in ("", row.connection)
            and self.service in ("", row.service)
        )


ANY = ParkedSelection()


def dead_letters_of(row: ParkedRow, letters: Iterable[DeadLetter], fates: Mapping[str, Fate]) -> list[DeadLetter]:
    """The open dead letters written when this key used up its attempts.

    Their records still wait at the key.
    """
    return [
        one for one in letters
        if fate_of(one, fates).state == "open" and one.is_retriable and one.origin[0] == row.topic
        and (one.service, one.connection, one.entity) == (row.service, row.connection, row.entity)
        and one.subject == subject_of(row.key)
    ]  # fmt: skip


class ParkedKeys:
    """Retries and drops parked keys."""

    def __init__(self, settings: Settings, database: Database, clock: Clock, actor: str) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._actor = actor
        self._audit = Audit(database)
        self._statuses = DeadLetterStatuses(database)

    async def retry(self, row: ParkedRow) -> None:
        """Make the key due now. Its dead letter counts as replayed; if it fails again, a new one is written."""
        details = {"service": row.service}
        async with audited(self._audit, self._clock, self._actor, "parked.retry", row.key, details):
            if row.state == HALTED:
                for letter in await self._settle(row):
                    await self._statuses.sent(letter.id, "replayed", "parked retry")
            await retry_now(self._database, row.service, row.topic, row.key)

    async def drop(self, row: ParkedRow, producer: Producer, because: str) -> None:
        """Turn the waiting records into discarded dead letters and free the key."""
        details = {"service": row.service, "records": row.records, "because": because}
        async with audited(self._audit, self._clock, self._actor, "parked.drop", row.key, details) as outcome:
            outcome["records"] = await self._drop(row, producer, because)

    async def _drop(self, row: ParkedRow, producer: Producer, because: str) -> int:
        records, is_free = 0, False
        while not is_free:
            last, count = await self._to_dead_letters(row, producer, because)
            records += count
            is_free = await drop_through(self._database, row.service, row.topic, row.key, last)
        await self._note_dropped(row, because)
        if row.state == HALTED:
            for letter in await self._settle(row):
                await self._statuses.discard(letter.id, because)
            await Reviews(self._database).resolve(row.connection, row.entity, subject_of(row.key), (HALTED,))
            await Alerts(self._database).take([self._ended("key_halted", row)])
        return records

    async def _to_dead_letters(self, row: ParkedRow, producer: Producer, because: str) -> tuple[int, int]:
        """Copy the waiting records to the dead-letter topic. The last row's number, and how many."""
        letters = DeadLetters(
            producer,
            topic_name(self._settings.topic_prefix, DEAD_LETTERS[row.service]),
            service=row.service,
            version=own_version(),
            limit=10**9,
        )
        waiting = await Parked(self._database, row.service).records(row.topic, row.key)
        for one in waiting:
            now = self._clock.now()
            cause = DeadLetterCause(f"dropped by hand: {because}", DROPPED, row.attempts, row.first_failed_at, now)
            await letters.send(record_of(one, row.attempts), cause)
        return (waiting[-1].seq or 0 if waiting else 0), len(waiting)

    async def _settle(self, row: ParkedRow) -> list[DeadLetter]:
        """The key's dead letters. Ends their alert, unless another dead letter of the record is open."""
        everything, fates = await self._letters()
        own = dead_letters_of(row, everything, fates)
        others = still_open((one for one in everything if one not in own), fates)
        if (row.connection, row.entity, subject_of(row.key)) not in others:
            await Alerts(self._database).take([self._ended("dead_letter", row)])
        return own

    async def _note_dropped(self, row: ParkedRow, because: str) -> None:
        """Store their status, too: the count of open dead letters reads statuses, not the letters."""
        everything, fates = await self._letters()
        for one in everything:
            if one.id not in fates and one.is_dropped and (one.service, one.key) == (row.service, row.key.encode()):
                await self._statuses.discard(one.id, because)

    async def _letters(self) -> tuple[list[DeadLetter], Mapping[str, Fate]]:
        settings = self._settings
        return await read_dead_letters(
            settings.kafka_bootstrap_servers, settings.topic_prefix
        ), await self._statuses.fates()

    def _ended(self, kind: str, row: ParkedRow) -> Alert:
        key, now = subject_of(row.key), self._clock.now()
        return dealt_with(kind, row.connection, row.entity, key, service=row.service, at=now)


async def list_parked(database: Database, chosen: ParkedSelection = ANY) -> list[ParkedRow]:
    """The parked keys of this selection, the longest waiting first. Raises TargetDown."""
    return [row for row in await parked_rows(database) if chosen.takes(row)]


async def retry_parked(settings: Settings, chosen: ParkedSelection, actor: str) -> list[str]:
    """Make these keys due now; which they are. Raises TargetDown."""
    async with Database.open(settings.database_url, 1) as database:
        keys = ParkedKeys(settings, database, await database_clock(database, SystemClock()), actor)
        rows = [row for row in await parked_rows(database) if chosen.takes(row)]
        for row in rows:
            await keys.retry(row)
    return [row.key for row in rows]


async def drop_parked(settings: Settings, chosen: ParkedSelection, because: str, actor: str) -> list[str]:
    """Drop what waits at these keys and free them; which they are. Raises TargetDown.

    The records are kept as discarded dead letters.
    """
    async with Database.open(settings.database_url, 1) as database:
        clock = await database_clock(database, SystemClock())
        async with open_producer(settings, clock) as producer:
            keys = ParkedKeys(settings, database, clock, actor)
            rows = [row for row in await parked_rows(database) if chosen.takes(row)]
            for row in rows:
                await keys.drop(row, producer, because)
    return [row.key for row in rows]
