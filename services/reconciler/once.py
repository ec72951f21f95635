"""`tillbridge reconcile` and `drift repair`, also as `python -m services.reconciler.once`: one pass, or repair, now."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

import typer
from prometheus_client import CollectorRegistry

from services.reconciler.parts import Parts, open_parts
from services.reconciler.passes import Outcome
from services.reconciler.settings import Settings
from services.reconciler.table import entities, subject_of
from shared.errors import IntegrationError, Rejected
from shared.runtime.clock import SystemClock
from shared.runtime.metrics import ServiceMetrics
from shared.runtime.output import console, fail, print_json, print_table
from shared.state.audit import Audit
from shared.state.connections import Connections, ConnectionStore
from shared.state.database import Database

T = TypeVar("T")
_HOURS = 24.0
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
app = typer.Typer(name="tillbridge", add_completion=False, pretty_exceptions_enable=False)


async def _with_parts(work: Callable[[Parts], Awaitable[T]]) -> T:
    settings, clock = Settings.from_env(os.environ), SystemClock()
    async with Database.open(settings.database_url, 2) as database:
        connections = Connections(await ConnectionStore(database, settings.secret_key).all())
        metrics = ServiceMetrics("reconcile", CollectorRegistry())
        async with open_parts(settings, database, connections, metrics, clock) as parts:
            done = await work(parts)
            await parts.producer.flush()
            return done


def _do(work: Callable[[Parts], Awaitable[T]]) -> T:
    try:
        return asyncio.run(_with_parts(work))
    except IntegrationError as error:
        fail(error.reason)


@app.command()
def reconcile(
    entity: Annotated[str, typer.Argument(help=f"One of {', '.join(entities())}.")],
    connection: Annotated[str, typer.Option(help="Only of this connection.")] = "",
    since: Annotated[datetime | None, typer.Option(help="What changed from this time on (UTC); a day ago.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only note what differs.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare both systems now. What was seen before, and is certain, is sent through once more."""

    async def work(parts: Parts) -> dict[str, Outcome]:
        subject = subject_of(entity)
        names = [connection] if connection else parts.connections.names()
        start = since.replace(tzinfo=UTC) if since else parts.clock.now() - timedelta(hours=_HOURS)
        found = {}
        for name in names:
            one = parts.pass_over(name, subject)
            keys = await one.changed_since(start, everything=True)
            found[name] = await one.compare(keys, (entity,), act=not dry_run)
        return found

    _show(_do(work), entity, as_json=as_json)


@app.command()
def repair(
    numbers: Annotated[list[int], typer.Argument(help="Differences, by number.")], as_json: AsJson = False
) -> None:
    """Send these differences through the one road now, whatever the caps."""

    async def work(parts: Parts) -> list[int]:
        for number in numbers:
            row = await parts.ledger.get(number)
            if row is None:
                raise Rejected(f"there is no difference {number}")
            subject = subject_of(row.entity)
            if row.kind in subject.entity(row.entity).hopeless:
                raise Rejected(f"{number}: what is right is not certain here, a person has to do it: {row.reason}")
            if not await parts.pass_over(row.connection, subject).repair(row):
                raise Rejected(f"{number}: it was sent through a moment ago")
            what = {"difference": row.kind, "key": row.key, "at_risk": str(row.at_risk)}
            await Audit(parts.database).note(parts.clock.now(), getpass.getuser(), "drift.repair", str(number), what)
        return list(numbers)

    done = _do(work)
    if as_json:
        print_json(done)
    else:
        console().print(f"on their way: {', '.join(map(str, done))}")


def _show(found: dict[str, Outcome], entity: str, *, as_json: bool) -> None:
    if as_json:
        print_json({name: _plain(outcome) for name, outcome in found.items()})
        return
    for name, outcome in found.items():
        told = f"{name}: {outcome.compared} {subject_of(entity).plural} compared, {len(outcome.found)} differences"
        console().print(f"{told}, {len(outcome.repaired)} sent through again", markup=False)
        for line in remarks(outcome):
            console().print(line, markup=False)
        rows = outcome.found
        cells = [(row.id, row.entity, row.key, row.kind, f"{row.at_risk} {row.currency}", row.reason) for row in rows]
        if cells:
            print_table("", ("no", "entity", "key", "kind", "at risk", "what differs"), cells, empty="")


def remarks(outcome: Outcome) -> list[str]:
    """Why less was sent through than differs."""
    lines = []
    if outcome.above_cap:
        lines.append(
            "above the caps of an hour: nothing is sent through until a person has looked; "
            "then `tillbridge drift repair <numbers>`"
        )
    if any(row.looks == 1 for row in outcome.found):
        lines.append("what is seen for the first time is not sent through: a second look, a minute later, must agree")
    if outcome.unread:
        lines.append(f"{len(outcome.unread)} could not be read: {', '.join(sorted(outcome.unread))}")
    return lines


def _plain(outcome: Outcome) -> dict[str, object]:
    rows = {
        name: [{**asdict(row), "at_risk": str(row.at_risk)} for row in getattr(outcome, name)]
        for name in ("found", "repaired", "reviews")
    }
    return {"compared": outcome.compared, "above_cap": outcome.above_cap, "unread": outcome.unread, **rows}


if __name__ == "__main__":
    app(prog_name="tillbridge")
