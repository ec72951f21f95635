"""What an operator does by hand with reviews, and the audit trail that says so."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from services.cli.keys import Chosen, retry_keys
from shared.entities.spec import load
from shared.entities.table import owner
from shared.errors import Misconfigured, Rejected
from shared.messaging.kafka.producer import open_producer
from shared.messaging.parking.parked_retry import HALTED
from shared.runtime.clock import Clock, SystemClock
from shared.runtime.output import ago, console, fail, print_json, print_table, utc_now
from shared.runtime.settings import Settings
from shared.state.alerts import Alerts
from shared.state.audit import Audit, Checked, check
from shared.state.database import Database
from shared.state.database_clock import database_clock
from shared.state.reviews import Review, Reviews

DECISIONS = ("done", "ignore", "retry")


async def close_alerts(url: str, which: str, because: str, actor: str) -> list[str]:
    """Resolve the open alert of this number, or all of this kind. Raises Rejected where there is none, TargetDown."""
    async with Database.open(url, 1) as database:
        number = int(which) if which.isdecimal() and len(which) < 19 else None
        now = (await database_clock(database, SystemClock())).now()
        closed = await Alerts(database).close(now, number=number, kind=which if number is None else None)
        for row in closed:
            details = {"kind": row.kind, "entity": row.entity, "key": row.key, "because": because}
            await Audit(database).note(now, actor, "alert.close", str(row.id), details)
    if not closed:
        raise Rejected(f"there is no open alert {which}")
    return [f"{row.id} {row.kind} of {row.connection or 'the whole'}" for row in closed]


async def decide(environ: Mapping[str, str], number: int, decision: str, because: str, actor: str) -> str:
    """Close a review. Raises Rejected for one that is not open, TargetDown."""
    settings = Settings.from_env(environ)
    async with Database.open(settings.database_url, 1) as database:
        reviews, clock = Reviews(database), await database_clock(database, SystemClock())
        review = next((row for row in await reviews.list() if row.id == number), None)
        if review is None:
            raise Rejected(f"there is no open review {number}")
        key, later = f"{review.connection}|{review.key}", ""
        if review.kind == HALTED:
            await _start(environ, review, key, decision, actor)
        elif decision == "retry":
            later = await _send_again(settings, review, clock)
        details = {"review": number, "kind": review.kind, "as": decision, "because": because}
        await Audit(database).note(clock.now(), actor, "review.decide", key, details)
        if review.kind != HALTED:
            await reviews.decide(number, decision)
    return f"{review.kind} of {review.connection} {review.entity} {review.key}{later}"


async def _start(environ: Mapping[str, str], review: Review, key: str, decision: str, actor: str) -> None:
    """Start a halted key. Its review stays open until the key flows: whoever frees it closes it."""
    if decision != "retry":
        raise Rejected(f"a halted key is not over by that: use `tillbridge parked drop '{key}'`, or decide --as retry")
    if not await retry_keys(environ, Chosen((key,), entity=review.entity), actor):
        raise Rejected(f"nothing of '{key}' is parked any more")


async def _send_again(settings: Settings, review: Review, clock: Clock) -> str:
    """Let the record go through once more; what is to be said of it. Raises Misconfigured where it cannot."""
    spec = owner(review.entity)
    if spec.retry_review:
        event_id = f"repair:review-{review.id}:{uuid.uuid4().hex[:8]}"
        topic, notice = load(spec.retry_review)(review, event_id, clock.now())
        async with open_producer(settings, clock) as producer:
            await producer.send(topic, notice)
        return ""
    if spec.comparison:
        # Once nobody is asked any more, the reconciler misses it.
        return f"; the reconciler sends the {spec.name} again"
    raise Misconfigured(f"a review about a {review.entity} cannot be tried again from here")


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
    elif names:
        console().print(f"{did}: {', '.join(names)}", markup=False)
    else:
        fail("nothing is meant: see `tillbridge parked list`; a whole key needs quotes in a shell: 'main|5123'")
    if not names:
        raise SystemExit(1)
