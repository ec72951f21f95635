"""`tillbridge reviews list`, `tillbridge parked list` and `tillbridge alerts list`."""

from __future__ import annotations

from dataclasses import asdict

from services.cli.overview import parked_rows
from shared.runtime.output import ago, console, print_json, print_table, utc_now
from shared.state.alerts import Alerts
from shared.state.database import Database
from shared.state.reviews import Review, Reviews


async def list_reviews(url: str, state: str, connection: str | None, *, as_json: bool) -> None:
    """What a person has to decide or to do by hand. Raises TargetDown."""
    async with Database.open(url, 1) as database:
        found = [
            review
            for review in await Reviews(database).list(state)
            if connection is None or review.connection == connection
        ]
    if as_json:
        print_json([asdict(review) for review in found])
        return
    for review in found:
        _show_review(review)
    if not found:
        console().print(f"no {state} reviews")


def _show_review(review: Review) -> None:
    since = ago(review.opened_at, utc_now())
    place = f"{review.connection} {review.entity} {review.key}"
    console().print(f"[{review.id}] {review.kind}  {place}  ({review.state} for {since})", markup=False)
    console().print(f"    {review.title}", markup=False)
    console().print(f"    what to do: {review.advice}", markup=False)
    for name, value in review.details.items():
        console().print(f"      {name}: {value}", markup=False)


async def list_parked(url: str, connection: str | None, *, as_json: bool) -> None:
    """Keys that wait: for a time, for something that is missing, for a person. Raises TargetDown."""
    async with Database.open(url, 1) as database:
        rows = await parked_rows(database, connection)
    if as_json:
        print_json([row.as_json() for row in rows])
        return
    now = utc_now()
    columns = ("key", "entity", "service", "state", "waits for", "since", "next try", "tries", "records", "reason")
    cells = [
        (
            row.key,
            row.entity,
            row.service,
            row.state,
            row.waits_for or "its time",
            ago(row.first_failed_at, now),
            "-" if row.state == "halted" else f"in {ago(max(row.next_attempt_at, now), now)}",
            row.attempts,
            row.records,
            row.reason,
        )
        for row in rows
    ]
    print_table("", columns, cells, empty="nothing is parked")


async def list_alerts(url: str, state: str, connection: str | None, *, as_json: bool) -> None:
    """What the system raised. Raises TargetDown."""
    async with Database.open(url, 1) as database:
        found = await Alerts(database).list(state, connection)
    if as_json:
        print_json([asdict(alert) for alert in found])
        return
    now = utc_now()
    columns = (
        "number", "severity", "kind", "connection", "entity", "key", "service", "times", "since", "last", "reason",
    )  # fmt: skip
    cells = [
        (
            alert.id,
            alert.severity,
            alert.kind,
            alert.connection,
            alert.entity,
            alert.key,
            alert.service,
            alert.times,
            ago(alert.opened_at, now),
            ago(alert.last_at, now),
            alert.reason,
        )
        for alert in found
    ]
    print_table("", columns, cells, empty=f"no {state} alerts")
