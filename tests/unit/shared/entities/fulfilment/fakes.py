"""Heartland's invoices, the broker, links and cursors in memory; each of them can be made to fail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.timestamps import changed_at
from shared.connectors.heartland.transport import Answer, Query
from shared.entities.fulfilment.poll import InvoiceFeed, PollObserver, PollWindow
from shared.errors import TargetDown
from shared.limits.call_context import CallContext
from shared.messaging.envelope import Envelope
from shared.messaging.topics import Topic
from shared.state.links import LinkRow
from tests.support.clock import FakeClock
from tests.support.shipments import an_invoice, an_invoice_line

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
Json = dict[str, Any]


class Failing:
    """Fails at the given call, and only there."""

    def __init__(self) -> None:
        self.calls = 0
        self.fails_at = 0

    def call(self) -> None:
        self.calls += 1
        if self.calls == self.fails_at:
            raise TargetDown("away")


class FakeHeartland:
    def __init__(self, points: Failing) -> None:
        self._points = points
        self.rows: dict[int, Json] = {}
        self.reads: list[str] = []

    def put(self, number: int, minutes: float = 0, **changes: Any) -> None:
        stamp = (START + timedelta(minutes=minutes)).isoformat()
        self.rows[number] = an_invoice(number, order_id=number + 1000, updated_at=stamp, completed_at=stamp, **changes)

    call_seconds = 30.0

    async def send(
        self, method: str, path: str, *ids: int, query: Query = (), body: Any = None, context: CallContext
    ) -> Answer:
        self._points.call()
        if path == "sales/invoices/{}/lines":
            return Answer({"pages": 1, "results": [an_invoice_line()]})
        asked = dict(query)
        condition = orjson.loads(asked["_filter"])
        above = condition.get("id", {}).get("$gt", 0)
        rows = [self.rows[number] for number in sorted(self.rows) if number > above]
        if "$in" in condition.get("id", {}):
            self.reads.append("by id")
            return Answer({"results": [row for row in rows if row["id"] in condition["id"]["$in"]]})
        self.reads.append("changed")
        since = datetime.fromisoformat(condition["updated_at"]["$gte"])
        changed = [row for row in rows if changed_at_or(row, since) >= since]
        return Answer({"results": changed[: int(asked["per_page"])]})


def changed_at_or(row: Json, default: datetime) -> datetime:
    try:
        return changed_at(row)
    except ValueError:
        return default


class FakeProducer:
    def __init__(self, points: Failing) -> None:
        self._points = points
        self.sent: list[Envelope] = []

    async def send(self, topic: Topic, envelope: Envelope, timeout_seconds: float | None = None) -> None:
        self._points.call()
        self.sent.append(envelope)


class FakeLinks:
    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    async def by_heartland_ids(self, connection: str, entity: str, ids: Iterable[str]) -> dict[str, LinkRow]:
        return {one: LinkRow(connection, entity, self.known[one], one, "", START) for one in ids if one in self.known}


class FakeCursors:
    def __init__(self, points: Failing) -> None:
        self._points = points
        self.stored: dict[tuple[str, str], Json] = {}
        self.writes = 0

    async def get(self, connection: str, feed: str) -> Json | None:
        return self.stored.get((connection, feed))

    async def put(self, connection: str, feed: str, position: Mapping[str, Any]) -> None:
        self._points.call()
        self.writes += 1
        self.stored[(connection, feed)] = dict(position)


@dataclass
class World:
    """One account and its feed; `link` makes an invoice's order one of ours."""

    points: Failing = field(default_factory=Failing)
    page_size: int = 2

    def __post_init__(self) -> None:
        self.heartland = FakeHeartland(self.points)
        self.producer = FakeProducer(self.points)
        self.cursors = FakeCursors(self.points)
        self.links = FakeLinks()
        self.clock = FakeClock(START + timedelta(hours=1))
        self.unreadable: list[str] = []
        self.counted = 0

    def link(self, *invoices: int) -> None:
        self.links.known |= {str(number + 1000): str(number + 5000) for number in invoices}

    def count(self) -> None:
        self.counted += 1

    async def poll(self) -> list[int]:
        """The invoices that this poll published."""
        before = len(self.producer.sent)
        window = PollWindow(timedelta(minutes=10), timedelta(hours=24), self.page_size)
        observer = PollObserver(self.count, self.unreadable.append)
        feed = InvoiceFeed(
            "main",
            HeartlandClient(self.heartland),
            producer=self.producer,  # type: ignore[arg-type]
            cursors=self.cursors,  # type: ignore[arg-type]
            links=self.links,  # type: ignore[arg-type]
            clock=self.clock,
            window=window,
            observer=observer,
        )
        await feed.poll()
        return [int(event.id.split(":")[2]) for event in self.producer.sent[before:]]

    def published(self) -> list[int]:
        return [int(event.id.split(":")[2]) for event in self.producer.sent]
