"""What an operator does with dead letters. Every act is in the audit trail, and none does harm when done twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

from services.replay.resend import Sending, digest
from services.replay.settings import Settings
from shared.canonical.alert import Alert
from shared.canonical.hop import Hop
from shared.errors import Rejected
from shared.messaging.letter import Letter, read_letters
from shared.messaging.producer import Producer, open_producer
from shared.runtime.clock import Clock, SystemClock
from shared.state.audit import Audit
from shared.state.database import Database
from shared.state.journal import Journal
from shared.state.letters import Fate, LetterBook
from shared.state.versions import Version

NAME = "replay"
# Outcomes that are no end: what was sent is still on its way.
_ON_THE_WAY = frozenset(("received", "retrying"))
_LOOK_SECONDS = 0.25


@dataclass(slots=True)
class Report:
    """What became of a replay: outcomes by letter, and what was left out, with the reason."""

    run: str
    sent: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


class Desk:
    """Letters, their fates and the road back, for the time of one command."""

    def __init__(self, settings: Settings, database: Database, producer: Producer, clock: Clock, actor: str) -> None:
        self._settings = settings
        self._database = database
        self._producer = producer
        self._clock = clock
        self._actor = actor
        self._audit = Audit(database)
        self._journal = Journal(database)
        self.book = LetterBook(database)

    async def read(self) -> tuple[list[Letter], dict[str, Fate]]:
        """All letters that the broker keeps, and what became of them. Raises TargetDown."""
        settings = self._settings
        letters = await read_letters(settings.kafka_bootstrap_servers, settings.topic_prefix)
        return letters, await self.book.fates()

    async def superseded(self, letter: Letter) -> str:
        """Why sending it again would change nothing; empty where it may. Facts and newer versions win anyway."""
        if letter.entity == "fulfilment" and await self._is_shipped(letter):
            return "its shipment is in Shopify already"
        if (version := _version_of(letter)) is None:
            return ""
        row = await self._database.fetchrow(
            "select version, content_hash from versions where connection = $1 and entity = $2 and key = $3",
            letter.connection, letter.entity, letter.subject,
        )  # fmt: skip
        if row is None:
            return ""
        if row["version"] > version.version:
            return "a newer version of it was written since"
        # A mark before the hash says that a review is open (?), or that it was not written at all (!).
        is_same = row["content_hash"].removeprefix("?") == version.content_hash
        return "exactly this was written already" if is_same else ""

    async def _is_shipped(self, letter: Letter) -> bool:
        """Whether each call for this invoice is known to have been made."""
        invoice = _invoice_of(letter)
        if not invoice:
            return False
        rows = await self._database.fetch(
            """select state from effects where connection = $1 and entity = 'fulfilment' and key = $2
                  and operation like $3 || ':%'""",
            letter.connection, letter.subject, f"fulfilment:{invoice}",
        )  # fmt: skip
        return bool(rows) and all(row["state"] == "done" for row in rows)

    async def send(self, sending: Sending, run: str) -> datetime:
        """Put a letter's event on its road again; when. Raises TargetDown."""
        letter = sending.letter
        at = self._clock.now()
        is_edit = sending.event_id != letter.event_id
        details = {
            "run": run, "event": sending.event_id, "topic": sending.topic, "before": digest(letter.body),
            "after": digest(sending.body),
        }  # fmt: skip
        # Noted first: a trail that knows of too much is better than one that misses something.
        await self._audit.note(at, self._actor, "dlq.edit" if is_edit else "dlq.replay", letter.id, details)
        await self._producer.send_raw(sending.topic, sending.key, sending.body, sending.headers)
        await self.book.sent(letter.id, "edited" if is_edit else "replayed", run)
        return at

    async def end_of(self, sending: Sending, since: datetime, seconds: float) -> Hop | None:
        """How the event ended after it was sent again: the hop that says so, as the journal has it. None: not yet."""
        deadline = self._clock.monotonic() + seconds
        while True:
            hops = await self._journal.of_event(sending.event_id)
            ends = [hop for hop in hops if hop.finished_at >= since and hop.outcome not in _ON_THE_WAY]
            if ends:
                return ends[-1]
            if self._clock.monotonic() >= deadline:
                return None
            await asyncio.sleep(_LOOK_SECONDS)

    async def discard(self, letters: Sequence[Letter], reason: str) -> None:
        """Nothing is to become of these. They stay on their topic until their time is over."""
        for letter in letters:
            await self._audit.note(self._clock.now(), self._actor, "dlq.discard", letter.id, {"reason": reason})
            await self.book.discard(letter.id, reason)
        await self.settle(letters)

    async def settle(self, letters: Sequence[Letter]) -> None:
        """Their alerts are over, where no other letter of the same record is open."""
        everything, fates = await self.read()
        open_ones = {_whose(letter) for letter in everything if fates.get(letter.id, Fate()).state == "open"}
        for letter in letters:
            if _whose(letter) not in open_ones:
                self._producer.alert(self._over(letter))
        await self._producer.flush()

    def _over(self, letter: Letter) -> Alert:
        topic, partition, offset = letter.origin
        return Alert(
            kind="dead_letter",
            connection=letter.connection,
            entity=letter.entity,
            key=letter.subject or f"{topic}:{partition}:{offset}",
            service=letter.service,
            reason="an operator dealt with it",
            at=self._clock.now() + timedelta(microseconds=1),
            resolved=True,
        )


def _whose(letter: Letter) -> tuple[str, str, str]:
    return letter.connection, letter.entity, letter.subject or letter.id


def _version_of(letter: Letter) -> Version | None:
    """The version of a canonical event, None for what is none."""
    try:
        said = orjson.loads(letter.body or b"")
        return Version(datetime.fromisoformat(said["version"]), str(said["content_hash"]))
    except (ValueError, TypeError, KeyError):
        return None


def _invoice_of(letter: Letter) -> str:
    try:
        return str(orjson.loads(letter.body or b"")["record"]["id"])
    except (ValueError, TypeError, KeyError):
        return ""


@asynccontextmanager
async def open_desk(settings: Settings, actor: str) -> AsyncIterator[Desk]:
    """Raises TargetDown where the database is away."""
    clock = SystemClock()
    async with Database.open(settings.database_url, 2) as database, open_producer(settings, clock) as producer:
        yield Desk(settings, database, producer, clock, actor)


async def replay(
    desk: Desk,
    run: str,
    sendings: Sequence[Sending],
    *,
    per_second: float,
    canary: bool,
    wait_seconds: float,
    stop: asyncio.Event,
    told: Callable[[str], None],
) -> Report:
    """One first, and when it ends well, the rest at a steady pace. Stops between two when `stop` is set.

    Raises Rejected when the first one ends as a dead letter again, or does not end in time.
    """
    report, sent = Report(run), []
    rest = list(sendings)
    if canary and rest:
        first = rest.pop(0)
        at = await desk.send(first, run)
        report.sent[first.letter.id] = await _judged(desk, first, at, wait_seconds)
        told(first.letter.id)
    for sending in rest:
        if stop.is_set():
            break
        sent.append((sending, await desk.send(sending, run)))
        told(sending.letter.id)
        await _pause(stop, 1 / per_second if per_second else 0.0)
    for sending, at in sent:
        hop = await desk.end_of(sending, at, wait_seconds)
        report.sent[sending.letter.id] = hop.outcome if hop else "still on its way"
    good = {name for name, outcome in report.sent.items() if outcome != "dead_letter"}
    await desk.settle([sending.letter for sending in sendings if sending.letter.id in good])
    return report


async def _judged(desk: Desk, canary: Sending, at: datetime, seconds: float) -> str:
    hop = await desk.end_of(canary, at, seconds)
    if hop is None:
        raise Rejected(f"{canary.letter.id}, sent first, did not end within {seconds:.0f} s: nothing else was sent")
    if hop.outcome == "dead_letter":
        raise Rejected(f"{canary.letter.id}, sent first, is a dead letter again ({hop.detail}): nothing else was sent")
    return hop.outcome


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
