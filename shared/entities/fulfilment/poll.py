"""The feed of completed Heartland invoices: what the stores have shipped of our orders.

Heartland has no hook that is known to fire for invoices, so they are polled by `updated_at`. An invoice is published
before the cursor moves; after a crash it is published again, which the readers do not mind.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.connectors.heartland import decimal_json as wire
from shared.connectors.heartland.client import HeartlandClient, parts_of
from shared.connectors.heartland.poll_position import Position, Stranger, Version
from shared.connectors.heartland.timestamps import changed_at
from shared.entities.fulfilment.heartland import (
    invoices_by_id,
    invoices_changed_since,
    is_completed,
    read_invoice_lines,
)
from shared.entities.fulfilment.spec import RAW_HEARTLAND_FULFILMENT
from shared.entities.parts import PollParts
from shared.limits.call_context import LIVE
from shared.messaging.envelope import Envelope
from shared.messaging.kafka.producer import Producer
from shared.messaging.notice import notice
from shared.runtime.clock import Clock
from shared.runtime.service import Shell
from shared.state.cursors import Cursors
from shared.state.links import Links

FEED = "heartland.invoices"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Window:
    """How far a poll looks back: behind its cursor, and where there is none yet. How many rows it reads at a time.

    `lookback` is also for how long a shipment of an order that nobody knows waits for that order's link.
    """

    overlap: timedelta
    lookback: timedelta
    page_size: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice as it was read, with what the feed has to know of it."""

    id: int
    order: str
    version: Version
    row: Json

    @classmethod
    def read(cls, row: Json) -> Invoice:
        """Raises ValueError for a row that lacks what the feed builds on."""
        record = wire.plain(row)
        try:
            content = hashlib.sha256(wire.write(row)).hexdigest()[:12]
            order = "" if record.get("order_id") is None else str(record["order_id"])
            return cls(int(record["id"]), order, Version(changed_at(row), content), row)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an invoice: {error!r}") from error

    @property
    def counts(self) -> bool:
        """Whether it is a shipment of an order at all."""
        return bool(self.order) and is_completed(self.row)


def invoice_notice(connection: str, shopify_id: str, invoice: Invoice, lines: Sequence[Json]) -> Envelope:
    """The notice of one invoice, keyed by the Shopify order it belongs to."""
    return notice(
        event_id=f"heartland:invoice:{invoice.id}:{invoice.version.at.isoformat()}:{invoice.version.digest}",
        source="heartland",
        kind="heartland.invoice.completed",
        time=invoice.version.at,
        connection=connection,
        entity="fulfilment",
        subject=shopify_id,
        body=wire.write({"invoice": invoice.row, "lines": list(lines)}),
    )


@dataclass(frozen=True, slots=True)
class Told:
    """Who hears what a poll does: each event published, each row that cannot be read (with the reason)."""

    published: Callable[[], None]
    unreadable: Callable[[str], None]


class InvoiceFeed:
    """Reads one connection's invoices on from where it was."""

    def __init__(
        self,
        connection: str,
        heartland: HeartlandClient,
        *,
        producer: Producer,
        cursors: Cursors,
        links: Links,
        clock: Clock,
        window: Window,
        told: Told,
    ) -> None:
        self._connection = connection
        self._heartland = heartland
        self._producer = producer
        self._cursors = cursors
        self._links = links
        self._clock = clock
        self._window = window
        self._told = told

    async def poll(self) -> None:
        """Publish what is new. Raises TargetDown where Heartland, broker or database is away: nothing is lost then,
        the next poll reads on from what is published.
        """
        position = await self._position()
        position = await self._welcome(position)
        seen = []
        since = position.since(self._window.overlap)
        rows = invoices_changed_since(self._heartland, since, LIVE, per_page=self._window.page_size)
        async with aclosing(_pages(rows, self._window.page_size)) as pages:
            async for page in pages:
                invoices = self._readable(page)
                position = await self._publish(invoices, position)
                seen += [invoice.version.at for invoice in invoices]
        # Rows come by id, not by time: the cursor moves only when all of them are through.
        moved = position.advanced(seen, self._clock.now()).trimmed(self._window.overlap, self._window.lookback)
        await self._keep(position, moved)

    async def _position(self) -> Position:
        stored = await self._cursors.get(self._connection, FEED)
        if stored is not None:
            return Position.read(stored)
        # Kept at once: a feed that begins with an outage must not begin later because of it.
        return await self._keep(None, Position.start(self._clock.now(), self._window.lookback))

    async def _keep(self, before: Position | None, position: Position) -> Position:
        if position != before:
            await self._cursors.put(self._connection, FEED, position.stored())
        return position

    async def _welcome(self, position: Position) -> Position:
        """Publish what was shipped of orders that have been linked since."""
        linked = await self._linked(stranger.order for stranger in position.strangers.values())
        ours = [int(key) for key, stranger in position.strangers.items() if stranger.order in linked]
        for part in parts_of(ours):
            rows = await invoices_by_id(self._heartland, part, LIVE)
            position = await self._publish(self._readable(rows), position)
        return position.without_strangers(map(str, ours))

    async def _publish(self, invoices: Sequence[Invoice], before: Position) -> Position:
        """Publish those of our orders, and note that at once: an outage later on must not send all of it again."""
        fresh = [one for one in invoices if one.counts and before.is_new(str(one.id), one.version)]
        linked = await self._linked(invoice.order for invoice in fresh)
        position = before
        try:
            for invoice in (one for one in fresh if one.order in linked):
                lines = await read_invoice_lines(self._heartland, invoice.id, LIVE)
                event = invoice_notice(self._connection, linked[invoice.order], invoice, lines)
                await self._producer.send(RAW_HEARTLAND_FULFILMENT, event)
                self._told.published()
                position = position.with_published(str(invoice.id), invoice.version)
            strangers = {str(one.id): Stranger(one.version.at, one.order) for one in fresh if one.order not in linked}
            position = position.with_strangers(strangers)
        finally:
            await self._keep(before, position)
        return position

    async def _linked(self, orders: Iterable[str]) -> Mapping[str, str]:
        """Heartland order id -> Shopify order id, of those orders that are ours."""
        wanted = list(dict.fromkeys(orders))
        if not wanted:
            return {}
        rows = await self._links.by_heartland_ids(self._connection, "order", wanted)
        return {heartland_id: row.shopify_id for heartland_id, row in rows.items()}

    def _readable(self, rows: Iterable[Json]) -> list[Invoice]:
        """One row that cannot be read must not stop the others for good: it is told of and passed over."""
        found = []
        for row in rows:
            try:
                found.append(Invoice.read(row))
            except ValueError as error:
                self._told.unreadable(str(error))
        return found


async def _pages(rows: AsyncIterator[Json], size: int) -> AsyncGenerator[list[Json], None]:
    page: list[Json] = []
    async for row in rows:
        page.append(row)
        if len(page) >= size:
            yield page
            page = []
    if page:
        yield page


def open_poll(parts: PollParts) -> Callable[[str], Awaitable[None]]:
    """The poll of one connection, by its name. It raises TargetDown for one that cannot work, or cannot now."""
    window = Window(parts.overlap, parts.lookback, parts.page_size)

    async def poll(connection: str) -> None:
        feed = InvoiceFeed(
            connection,
            parts.heartland.get(connection).client,
            producer=parts.producer,
            cursors=parts.cursors,
            links=parts.links,
            clock=parts.shell.clock,
            window=window,
            told=_told(parts.shell, connection),
        )
        await feed.poll()

    return poll


def _told(shell: Shell, connection: str) -> Told:
    def unreadable(reason: str) -> None:
        shell.metrics.events_failed.labels("fulfilment", "unreadable").inc()
        shell.log.error("an invoice cannot be read", connection=connection, entity="fulfilment", reason=reason)

    return Told(published=shell.metrics.events_out.labels("fulfilment").inc, unreadable=unreadable)
