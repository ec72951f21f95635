"""What an operator does with dead letters. Every act is in the audit trail, and none does harm when done twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from shared.canonical.alert import Alert, dealt_with
from shared.canonical.hop import Hop
from shared.messaging.dead_letters.reader import DeadLetter, read_dead_letters, still_open, whose
from shared.messaging.kafka.producer import Producer, open_producer
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
# Outcomes that are no end: what was sent is still on its way.
_ON_THE_WAY = frozenset(("received", "retrying"))
# What this service published, alone or with other notices, ends where it is written.
_MIDWAY = "transformers"
_HANDED_ON = frozenset(("published", "superseded"))
_LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Sent:
    """A letter that is on its road again; `known` are the hops that its event had had before."""

    sending: Sending
    known: tuple[Hop, ...] = ()

    @property
    def id(self) -> str:
        return self.sending.letter.id

    @property
    def event_id(self) -> str:
        return self.sending.event_id

    def end(self, hops: Sequence[Hop]) -> Hop | None:
        """The end among the event's hops that came of this sending.

        The clock here may differ from the services': what began after the letter's last failure is told by theirs.
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
    """Letters, their fates and the road back, for the time of one command."""

    def __init__(self, settings: Settings, database: Database, producer: Producer, clock: Clock, actor: str) -> None:
        self._settings = settings
        self._database = database
        self._producer = producer
        self._clock = clock
        self._actor = actor
        self._audit = Audit(database)
        self._journal = Journal(database)
        self.book = DeadLetterStatuses(database)

    async def read(self) -> tuple[list[DeadLetter], dict[str, Fate]]:
        """All letters that the broker keeps, and what became of them. Raises TargetDown."""
        settings = self._settings
        letters = await read_dead_letters(settings.kafka_bootstrap_servers, settings.topic_prefix)
        return letters, await self.book.fates()

    async def superseded(self, letter: DeadLetter) -> str:
        """Why sending it again would change nothing; empty where it may. Facts and newer versions win anyway."""
        if letter.entity == "fulfilment" and await self._is_shipped(letter):
            return "its shipment is in Shopify already"
        if (version := _version_of(letter)) is None:
            return ""
        # A dead letter of a writer is about that writer's target; a record may stand otherwise at another one.
        target = letter.service.removesuffix("_writer")
        stored = await read_version(self._database, letter.connection, letter.entity, letter.subject, target)
        if stored is None:
            return ""
        if stored.version > version.version:
            return "a newer version of it was written since"
        is_same = not stored.blocked and stored.content_hash == version.content_hash
        return "exactly this was written already" if is_same else ""

    async def _is_shipped(self, letter: DeadLetter) -> bool:
        """Whether each call for this invoice, its tracking too, is known to have been made."""
        invoice = _invoice_of(letter)
        if not invoice:
            return False
        claims = await Ledger(self._database, self._clock).of_key(letter.connection, "fulfilment", letter.subject)
        own = (f"fulfilment:{invoice}:", f"tracking:{invoice}:")
        states = [claim.state for operation, claim in claims.items() if operation.startswith(own)]
        return bool(states) and all(state == "done" for state in states)

    async def send(self, sending: Sending, run: str) -> Sent:
        """Put a letter's event on its road again. Raises TargetDown."""
        letter = sending.letter
        known = await self._journal.of_event(sending.event_id)
        is_edit = sending.event_id != letter.event_id
        details = {
            "run": run, "event": sending.event_id, "topic": sending.topic, "before": digest(letter.body),
            "after": digest(sending.body),
        }  # fmt: skip
        # Noted first: a trail that knows of too much is better than one that misses something.
        action = "dlq.edit" if is_edit else "dlq.replay"
        await self._audit.note(self._clock.now(), self._actor, action, letter.id, details)
        await self._producer.send_raw(sending.topic, sending.key, sending.body, sending.headers)
        await self.book.sent(letter.id, "edited" if is_edit else "replayed", run)
        return Sent(sending, tuple(known))

    async def keys_of(self, order: str) -> frozenset[str]:
        """What the order's letters may be of: its ids on both sides, and each of its events. Raises TargetDown."""
        hops = await self._journal.story(None, order)
        names = {name for hop in hops for name in (hop.key, hop.shopify_id, hop.event_id)}
        return frozenset(names - {""})

    async def end_of(self, sent: Sent, deadline: float, stop: asyncio.Event) -> Hop | None:
        """How the event ended after it was sent again: the writer's hop, as the journal has it.

        None where it does not end before `deadline` (of the monotonic clock), or before `stop`.
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
        """A deadline."""
        return self._clock.monotonic() + seconds

    async def discard(self, letters: Sequence[DeadLetter], reason: str) -> None:
        """Nothing is to become of these. They stay on their topic until their time is over."""
        for letter in letters:
            await self._audit.note(self._clock.now(), self._actor, "dlq.discard", letter.id, {"reason": reason})
            await self.book.discard(letter.id, reason)
        await self.settle(letters)

    async def settle(self, letters: Sequence[DeadLetter]) -> None:
        """Their alerts are over, where no other letter of the same record is open."""
        everything, fates = await self.read()
        open_ones = still_open(everything, fates)
        for letter in letters:
            if whose(letter) not in open_ones:
                self._producer.alert(_over(letter, self._clock.now()))
        await self._producer.flush()


def _over(letter: DeadLetter, now: datetime) -> Alert:
    topic, partition, offset = letter.origin
    key = letter.subject or f"{topic}:{partition}:{offset}"
    at = now + timedelta(microseconds=1)
    return dealt_with("dead_letter", letter.connection, letter.entity, key, service=letter.service, at=at)


def _version_of(letter: DeadLetter) -> Version | None:
    """The version of a canonical event, None for what is none."""
    try:
        said = orjson.loads(letter.body or b"")
        return Version(datetime.fromisoformat(said["version"]), str(said["content_hash"]))
    except (ValueError, TypeError, KeyError):
        return None


def _invoice_of(letter: DeadLetter) -> str:
    try:
        return str(orjson.loads(letter.body or b"")["record"]["id"])
    except (ValueError, TypeError, KeyError):
        return ""


@asynccontextmanager
async def open_dead_letters(settings: Settings, actor: str) -> AsyncIterator[DeadLetterOperations]:
    """Raises TargetDown where the database is away."""
    async with Database.open(settings.database_url, 2) as database:
        # Not this machine's clock: an alert's end that seems older than the alert would be dropped.
        clock = await database_clock(database, SystemClock())
        async with open_producer(settings, clock) as producer:
            yield DeadLetterOperations(settings, database, producer, clock, actor)
