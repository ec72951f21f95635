"""The feed of completed Heartland invoices: what the stores have shipped of our orders.

Heartland has no hook that is known to fire for invoices, so they are polled by `updated_at`. An invoice is published
before the cursor moves; after a crash it is published again, which the readers do not mind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.poller.feed import Position
from shared.connectors.heartland import wire
from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.fulfilment import is_completed
from shared.messaging.envelope import Envelope, new_traceparent
from shared.messaging.producer import Producer
from shared.messaging.topics import RAW_HEARTLAND_FULFILMENT
from shared.runtime.clock import Clock
from shared.state.cursors import Cursors
from shared.state.links import Links

FEED = "heartland.invoices"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Window:
    """How far a poll looks back: behind its cursor, and where there is none yet."""

    overlap: timedelta
    lookback: timedelta
    page_size: int


def candidates(rows: Sequence[Json], position: Position) -> list[Json]:
    """The completed invoices of orders that were not published in this version yet."""
    return [
        row
        for row in rows
        if is_completed(row) and row.get("order_id") and position.is_new(str(row["id"]), changed_at(row))
    ]


def changed_at(invoice: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(invoice["updated_at"]))


def notice(connection: str, order_id: str, invoice: Json, lines: Sequence[Json]) -> Envelope:
    """The raw event of one invoice, keyed by the Shopify order it belongs to."""
    return Envelope(
        id=f"heartland:invoice:{invoice['id']}:{changed_at(invoice).isoformat()}",
        source="heartland",
        type="heartland.invoice.completed",
        time=datetime.fromisoformat(str(invoice.get("completed_at") or invoice["updated_at"])),
        connection=connection,
        entity="fulfilment",
        subject=order_id,
        body=wire.write({"invoice": invoice, "lines": list(lines)}),
        traceparent=new_traceparent(),
    )


class InvoiceFeed:
    """Reads one connection's invoices on from where it was."""

    def __init__(
        self,
        heartland: HeartlandClient,
        producer: Producer,
        cursors: Cursors,
        links: Links,
        clock: Clock,
        window: Window,
    ) -> None:
        self._heartland = heartland
        self._producer = producer
        self._cursors = cursors
        self._links = links
        self._clock = clock
        self._window = window

    async def poll(self, connection: str) -> int:
        """Publish what is new; how many that were. Raises TargetDown where Heartland, broker or database is away."""
        position = await self._position(connection)
        since = position.since(self._window.overlap)
        before, published, page = position, 0, []
        async for row in self._heartland.invoices_changed_since(since, per_page=self._window.page_size):
            page.append(row)
            if len(page) >= self._window.page_size:
                position, count = await self._publish(connection, page, position)
                published, page = published + count, []
        position, count = await self._publish(connection, page, position)
        position = position.trimmed(self._window.overlap)
        if position != before:
            await self._cursors.put(connection, FEED, position.stored())
        return published + count

    async def _position(self, connection: str) -> Position:
        stored = await self._cursors.get(connection, FEED)
        if stored is not None:
            return Position.read(stored)
        position = Position.start(self._clock.now(), self._window.lookback)
        # Kept at once: a feed that begins with an outage must not begin later because of it.
        await self._cursors.put(connection, FEED, position.stored())
        return position

    async def _publish(self, connection: str, rows: Sequence[Json], position: Position) -> tuple[Position, int]:
        fresh = candidates(rows, position)
        orders = await self._links.by_heartland_ids(connection, "order", [str(row["order_id"]) for row in fresh])
        ours = [row for row in fresh if str(row["order_id"]) in orders]
        for row in ours:
            lines = await self._heartland.invoice_lines(row["id"])
            event = notice(connection, orders[str(row["order_id"])].shopify_id, row, lines)
            await self._producer.send(RAW_HEARTLAND_FULFILMENT, event)
            position = position.with_published(str(row["id"]), changed_at(row))
        for row in rows:
            position = position.seen(changed_at(row))
        return position, len(ours)
