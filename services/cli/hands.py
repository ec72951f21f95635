"""What an operator does by hand with parked keys and reviews; each of it is in the audit trail."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from services.cli.overview import ParkedRow, parked_rows
from services.cli.place import Place
from shared.errors import Misconfigured, Rejected
from shared.messaging.dead_letter import Cause, DeadLetters, own_version
from shared.messaging.envelope import Envelope, new_traceparent, read_envelope
from shared.messaging.producer import open_producer
from shared.messaging.record import Record
from shared.messaging.topics import DEAD_LETTERS, RAW_SHOPIFY_ORDER, topic_name
from shared.runtime.clock import SystemClock
from shared.runtime.output import ago, console, print_json, print_table, utc_now
from shared.runtime.settings import Settings
from shared.state.audit import Audit, Checked, check
from shared.state.database import Database
from shared.state.parked import Parked, ParkedRecord
from shared.state.parked_by_hand import drop, retry
from shared.state.reviews import Review, Reviews

DECISIONS = ("done", "ignore", "retry")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which parked keys are meant; empty means any."""

    keys: tuple[str, ...] = ()
    reason: str = ""
    waits_for: str = ""
    entity: str = ""
    connection: str = ""

    @property
    def is_any(self) -> bool:
        return self == Chosen()

    def takes(self, row: ParkedRow) -> bool:
        return (
            (not self.keys or row.key in self.keys)
            and self.reason.lower() in row.reason.lower()
            and self.waits_for in ("", row.waits_for)
            and self.entity in ("", row.entity)
            and self.connection in ("", row.connection)
        )


async def retry_keys(url: str, chosen: Chosen, actor: str) -> list[str]:
    """The keys that are due now. Raises TargetDown."""
    async with Database.open(url, 1) as database:
        rows = [row for row in await parked_rows(database) if chosen.takes(row)]
        for row in rows:
            await Audit(database).note(utc_now(), actor, "parked.retry", row.key, {"service": row.service})
            await retry(database, row.service, row.topic, row.key)
    return [row.key for row in rows]


async def drop_keys(
    place: Place, environ: Mapping[str, str], keys: Sequence[str], because: str, actor: str
) -> list[str]:
    """The keys that flow again. What waited for them is kept on the topic of dead letters. Raises TargetDown."""
    settings, clock = Settings.from_env(environ), SystemClock()
    async with Database.open(place.database_url, 1) as database, open_producer(settings, clock) as producer:
        rows = [row for row in await parked_rows(database) if row.key in keys]
        for row in rows:
            letters = DeadLetters(
                producer,
                topic_name(settings.topic_prefix, DEAD_LETTERS[row.service]),
                service=row.service,
                version=own_version(),
                limit=10**9,
            )
            waiting = await Parked(database, row.service).records(row.topic, row.key)
            for record in waiting:
                cause = Cause(f"dropped by hand: {because}", "Dropped", row.attempts, row.first_failed_at, clock.now())
                await letters.send(_record(record), cause)
            details = {"service": row.service, "records": len(waiting), "because": because}
            await Audit(database).note(clock.now(), actor, "parked.drop", row.key, details)
            await drop(database, row.service, row.topic, row.key)
    return [row.key for row in rows]


def _record(row: ParkedRecord) -> Record:
    envelope = read_envelope(row.headers, row.body)
    stamp = round(envelope.time.timestamp() * 1000)
    return Record(envelope, row.topic, row.partition, row.offset, stamp, 1, envelope.key, tuple(row.headers))


async def decide(environ: Mapping[str, str], number: int, decision: str, because: str, actor: str) -> str:
    """Close a review. Raises Rejected for one that is not open, TargetDown."""
    settings, clock = Settings.from_env(environ), SystemClock()
    async with Database.open(settings.database_url, 1) as database:
        reviews = Reviews(database)
        review = next((row for row in await reviews.list() if row.id == number), None)
        if review is None:
            raise Rejected(f"there is no open review {number}")
        if decision == "retry":
            if review.entity not in ("order", "fulfilment"):
                raise Misconfigured(f"a review about a {review.entity} cannot be tried again from here")
            async with open_producer(settings, clock) as producer:
                await producer.send(RAW_SHOPIFY_ORDER, repair_notice(review, clock.now()))
        details = {"review": number, "kind": review.kind, "as": decision, "because": because}
        await Audit(database).note(clock.now(), actor, "review.decide", f"{review.connection}|{review.key}", details)
        await reviews.decide(number, decision)
    return f"{review.kind} of {review.connection} {review.entity} {review.key}"


def repair_notice(review: Review, now: datetime) -> Envelope:
    """Says that the order is to be read back and written once more."""
    return Envelope(
        id=f"repair:review-{review.id}:{uuid.uuid4().hex[:8]}",
        source="shopify",
        type="shopify.orders/repair",
        time=now,
        connection=review.connection,
        entity="order",
        subject=review.key,
        body=b"{}",
        traceparent=new_traceparent(),
        extra={"x-priority": "repair", "x-cause": "review"},
    )


async def list_audit(url: str, limit: int, *, as_json: bool) -> None:
    async with Database.open(url, 1) as database:
        entries = await Audit(database).entries(limit)
    if as_json:
        print_json([asdict(entry) for entry in entries])
        return
    now = utc_now()
    cells = [(e.number, ago(e.at, now), e.actor, e.action, e.object, _said(e.details)) for e in entries]
    print_table("", ("no", "ago", "who", "did", "to", "details"), cells, empty="nothing was done by hand yet")


def _said(details: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in details.items())


async def verify_audit(url: str, since: str = "") -> Checked:
    """Whether the trail is whole, and still holds the row that an earlier check named."""
    async with Database.open(url, 1) as database:
        return check(await Audit(database).entries(), since)


def told(did: str, names: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json(list(names))
    else:
        console().print(f"{did}: {', '.join(names) or 'nothing is meant'}", markup=False)
