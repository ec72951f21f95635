"""What an operator does by hand with reviews, and the audit trail that says so."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from services.cli.keys import HALTED, Chosen, retry_keys
from shared.errors import Misconfigured, Rejected
from shared.messaging.envelope import Envelope, new_traceparent
from shared.messaging.producer import open_producer
from shared.messaging.topics import RAW_SHOPIFY_ORDER
from shared.runtime.clock import SystemClock
from shared.runtime.output import ago, console, fail, print_json, print_table, utc_now
from shared.runtime.settings import Settings
from shared.state.alerts import Alerts
from shared.state.audit import Audit, Checked, check
from shared.state.database import Database
from shared.state.reviews import Review, Reviews
from shared.state.shared_time import shared_clock

DECISIONS = ("done", "ignore", "retry")


async def close_alerts(url: str, which: str, because: str, actor: str) -> list[str]:
    """Resolve the open alert of this number, or all of this kind. Raises Rejected where there is none, TargetDown."""
    async with Database.open(url, 1) as database:
        number = int(which) if which.isdecimal() and len(which) < 19 else None
        closed = await Alerts(database).close(utc_now(), number=number, kind=which if number is None else None)
        for row in closed:
            details = {"kind": row.kind, "entity": row.entity, "key": row.key, "because": because}
            await Audit(database).note(utc_now(), actor, "alert.close", str(row.id), details)
    if not closed:
        raise Rejected(f"there is no open alert {which}")
    return [f"{row.id} {row.kind} of {row.connection or 'the whole'}" for row in closed]


async def decide(environ: Mapping[str, str], number: int, decision: str, because: str, actor: str) -> str:
    """Close a review. Raises Rejected for one that is not open, TargetDown."""
    settings, clock = Settings.from_env(environ), SystemClock()
    async with Database.open(settings.database_url, 1) as database:
        reviews = Reviews(database)
        review = next((row for row in await reviews.list() if row.id == number), None)
        if review is None:
            raise Rejected(f"there is no open review {number}")
        if review.kind == HALTED:
            return await _again(environ, review, decision, because, actor)
        if decision == "retry":
            if review.entity not in ("order", "fulfilment"):
                raise Misconfigured(f"a review about a {review.entity} cannot be tried again from here")
            # Its invoice is not the order's to send: once nobody is asked any more, the reconciler misses the shipment.
            if review.entity == "order":
                async with open_producer(settings, clock) as producer:
                    await producer.send(RAW_SHOPIFY_ORDER, repair_notice(review, clock.now()))
        details = {"review": number, "kind": review.kind, "as": decision, "because": because}
        await Audit(database).note(clock.now(), actor, "review.decide", f"{review.connection}|{review.key}", details)
        await reviews.decide(number, decision)
    later = "; the reconciler sends its shipment again" if (decision, review.entity) == ("retry", "fulfilment") else ""
    return f"{review.kind} of {review.connection} {review.entity} {review.key}{later}"


async def _again(environ: Mapping[str, str], review: Review, decision: str, because: str, actor: str) -> str:
    """Start a halted key. Its review stays open until the key flows: whoever frees it closes it."""
    key = f"{review.connection}|{review.key}"
    if decision != "retry":
        raise Rejected(f"a halted key is not over by that: use `tillbridge parked drop '{key}'`, or decide --as retry")
    if not await retry_keys(environ, Chosen((key,), entity=review.entity), actor):
        raise Rejected(f"nothing of '{key}' is parked any more")
    settings = Settings.from_env(environ)
    async with Database.open(settings.database_url, 1) as database:
        now = (await shared_clock(database, SystemClock())).now()
        details = {"review": review.id, "kind": review.kind, "as": decision, "because": because}
        await Audit(database).note(now, actor, "review.decide", key, details)
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
    elif names:
        console().print(f"{did}: {', '.join(names)}", markup=False)
    else:
        fail("nothing is meant: see `tillbridge parked list`; a whole key needs quotes in a shell: 'main|5123'")
    if not names:
        raise SystemExit(1)
