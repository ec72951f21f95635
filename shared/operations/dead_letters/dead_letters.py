"""Dead letters: read, replay and discard them. Every act is audited, and each is idempotent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from shared.canonical.alert import Alert, dealt_with
from shared.canonical.hop import Hop
from shared.entities.order.spec import ORDER
from shared.entities.spec import load
from shared.entities.table import applied_fact_of
from shared.messaging.dead_letters.reader import DeadLetter, aggregate_of, read_dead_letters, still_open
from shared.messaging.kafka.producer import Producer, open_producer
from shared.operations.audit import audited
from shared.operations.dead_letters.resend import Sending, digest
from shared.runtime.clock import Clock, SystemClock
from shared.runtime.settings import Settings
from shared.state.audit import Audit
from shared.state.database import Database
from shared.state.database_clock import database_clock
from shared.state.dead_letter_status import DeadLetterStatuses, Fate
from shared.state.journal import Journal
from shared.state.ledger import Ledger
from shared.state.versions import Version, read_version

NAME = "replay"
# Outcomes that are not final: the event is still being processed.
_ON_THE_WAY = frozenset(("received", "retrying"))
# What this service published, alone or with other notices, ends at a writer.
_MIDWAY = "transformers"
_HANDED_ON = frozenset(("published", "superseded"))
_LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Sent:
    """A dead letter that was sent again. `known` are the hops that its event had before."""

    sending: Sending
    known: tuple[Hop, ...] = ()

    @property
    def id(self) -> str:
        return self.sending.letter.id

    @property
    def event_id(self) -> str:
        return self.sending.event_id

    def end(self, hops: Sequence[Hop]) -> Hop | None:
        """The final hop that this sending led to; None while it is under way.

        Clocks differ: what began after the letter's last failure is judged by the services' clock, not by ours.
        """
        failed = self.sending.letter.last_failed
        ends = [
            hop for hop in hops
            if hop not in self.known and hop.outcome not in _ON_THE_WAY and (failed is None or hop.started_at >= failed)
        ]  # fmt: skip
        return ends[-1] if ends else None


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not longer than until `stop`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


class DeadLetterOperations:
    """Reads dead letters with their statuses, sends them again, discards them."""

    def __init__(self, settings: Settings, database: Database, producer: Producer, clock: Clock, actor: str) -> None:
        self._settings = settings
        self._database = database
        self._producer = producer
        self._clock = clock
        self._actor = actor
        self._audit = Audit(database)
        self._journal = Journal(database)
        self.statuses = DeadLetterStatuses(database)

    async def read(self) -> tuple[list[DeadLetter], dict[str, Fate]]:
        """All dead letters that Kafka keeps, and their statuses by id. Raises TargetDown."""
        settings = self._settings
        letters = await read_dead_letters(settings.kafka_bootstrap_servers, settings.topic_prefix)
        return letters, await self.statuses.fates()

    async def needless(self, letter: DeadLetter) -> str:
        """Why a replay would change nothing; empty where it may. A fact is applied once, a newer version wins."""
        if await self._is_applied_fact(letter):
            return f"this {letter.entity} was applied already"
        if (version := _version_of(letter)) is None:
            return ""
        # A writer's dead letter is about that writer's target; the record's state may differ at another one.
        stored = await read_version(
            self._database, letter.connection, letter.entity, letter.subject, target_of(letter.service)
        )
        if stored is None:
            return ""
        if stored.version > version.version:
            return "a newer version was written since"
        is_same = not stored.blocked and stored.content_hash == version.content_hash
        return "the same content was written already" if is_same else ""

    async def _is_applied_fact(self, letter: DeadLetter) -> bool:
        name = applied_fact_of(letter.entity)
        if not name:
            return False
        claims = await Ledger(self._database, self._clock).of_key(letter.connection, letter.entity, letter.subject)
        states = {operation: claim.state for operation, claim in claims.items()}
        return bool(load(name)(letter.body or b"", states))

    async def send(self, sending: Sending, run: str) -> Sent:
        """Send a dead letter's event to its original topic again. Raises TargetDown."""
        letter = sending.letter
        known = await self._journal.of_event(sending.event_id)
        is_edit = sending.event_id != letter.event_id
        details = {
            "run": run, "event": sending.event_id, "topic": sending.topic, "before": digest(letter.body),
            "after": digest(sending.body),
        }  # fmt: skip
        action = "dlq.edit" if is_edit else "dlq.replay"
        async with audited(self._audit, self._clock, self._actor, action, letter.id, details):
            await self._producer.send_raw(sending.topic, sending.key, sending.body, sending.headers)
            await self.statuses.sent(letter.id, "edited" if is_edit else "replayed", run)
        return Sent(sending, tuple(known))

    async def keys_of(self, order: str) -> frozenset[str]:
        """The ids by which a dead letter may belong to this order: its keys and its events. Raises TargetDown."""
        hops = await self._journal.story(None, order, (ORDER.name,))
        names = {name for hop in hops for name in (hop.key, hop.shopify_id, hop.event_id)}
        return frozenset(names - {""})

    async def end_of(self, sent: Sent, deadline: float, stop: asyncio.Event) -> Hop | None:
        """The final hop of an event that was sent again, from the journal.

        None if there is none before `deadline` (of the monotonic clock), or before `stop`.
        """
        while True:
            if (hop := await self._end_now(sent)) is not None:
                return hop
            left = deadline - self._clock.monotonic()
            if left <= 0 or stop.is_set():
                return None
            await pause(stop, min(left, _LOOK_SECONDS))

    async def _end_now(self, sent: Sent) -> Hop | None:
        hop = sent.end(await self._journal.of_event(sent.event_id))
        if hop is None or hop.service != _MIDWAY or hop.outcome not in _HANDED_ON:
            return hop
        hops = await self._journal.answers_to(sent.event_id, hop.started_at)
        return next((one for one in reversed(hops) if one.service != _MIDWAY and one.outcome not in _ON_THE_WAY), None)

    def in_seconds(self, seconds: float) -> float:
        """The deadline this many seconds from now, of the monotonic clock."""
        return self._clock.monotonic() + seconds

    async def discard(self, letters: Sequence[DeadLetter], reason: str) -> None:
        """Mark these as discarded: nobody will replay them. They stay on their topic until its retention ends."""
        for letter in letters:
            details = {"reason": reason}
            async with audited(self._audit, self._clock, self._actor, "dlq.discard", letter.id, details):
                await self.statuses.discard(letter.id, reason)
        await self.settle(letters)

    async def settle(self, letters: Sequence[DeadLetter]) -> None:
        """End their alerts, unless another dead letter of the same record is open."""
        everything, fates = await self.read()
        open_ones = still_open(everything, fates)
        for letter in letters:
            if aggregate_of(letter) not in open_ones:
                self._producer.alert(_ended(letter, self._clock.now()))
        await self._producer.flush()


def _ended(letter: DeadLetter, now: datetime) -> Alert:
    topic, partition, offset = letter.origin
    key = letter.subject or f"{topic}:{partition}:{offset}"
    at = now + timedelta(microseconds=1)
    return dealt_with("dead_letter", letter.connection, letter.entity, key, service=letter.service, at=at)


def _version_of(letter: DeadLetter) -> Version | None:
    """The version of a canonical event; None for a body that is none."""
    try:
        said = orjson.loads(letter.body or b"")
        return Version(datetime.fromisoformat(said["version"]), str(said["content_hash"]))
    except (ValueError, TypeError, KeyError):
        return None


def target_of(service: str) -> str:
    """The system that this writer writes to; for another service, its name, which is no target."""
    return service.removesuffix("_writer")


@asynccontextmanager
async def open_dead_letters(settings: Settings, actor: str) -> AsyncIterator[DeadLetterOperations]:
    """Raises TargetDown if the database does not answer."""
    async with Database.open(settings.database_url, 2) as database:
        # The database's clock: an alert's end that seems older than the alert would be ignored.
        clock = await database_clock(database, SystemClock())
        async with open_producer(settings, clock) as producer:
            yield DeadLetterOperations(settings, database, producer, clock, actor)
