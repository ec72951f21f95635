"""Polls completed Heartland invoices, which are the shipments of our orders.

No Heartland hook is known to fire for invoices, so they are polled by `updated_at`. An invoice is published
before the cursor moves; after a crash it is published again, and the consumers are idempotent.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.connectors.heartland import decimal_json
from shared.connectors.heartland.client import HeartlandClient, batches_of
from shared.connectors.heartland.timestamps import changed_at
from shared.entities.fulfilment.heartland import (
    invoices_by_id,
    invoices_changed_since,
    is_completed,
    read_invoice_lines,
)
from shared.entities.fulfilment.poll_position import PollPosition, RecordVersion, UnlinkedRecord
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
class PollWindow:
    """How far a poll reads back: `overlap` before its cursor, `lookback` before now without a cursor.

    `lookback` is also how long a shipment of an unlinked order waits for the order's link.
    """

    overlap: timedelta
    lookback: timedelta
    page_size: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice as it was read, with its id, its order and its version."""

    id: int
    order: str
    version: RecordVersion
    row: Json

    @classmethod
    def read(cls, row: Json) -> Invoice:
        """Raises ValueError for a row without id or timestamp."""
        record = decimal_json.normalized(row)
        try:
            content = hashlib.sha256(decimal_json.dumps(row)).hexdigest()[:12]
            order = "" if record.get("order_id") is None else str(record["order_id"])
            return cls(int(record["id"]), order, RecordVersion(changed_at(row), content), row)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an invoice: {error!r}") from error

    @property
    def is_shipment(self) -> bool:
        """Whether it is completed and belongs to an order."""
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
        body=decimal_json.dumps({"invoice": invoice.row, "lines": list(lines)}),
    )


@dataclass(frozen=True, slots=True)
class PollObserver:
    """Callbacks of a poll: for each published event, and for each unreadable row with the reason."""

    published: Callable[[], None]
    unreadable: Callable[[str], None]


class InvoiceFeed:
    """Polls the invoices of one connection from its stored position."""

    def __init__(
        self,
        connection: str,
        heartland: HeartlandClient,
        *,
        producer: Producer,
        cursors: Cursors,
        links: Links,
        clock: Clock,
        window: PollWindow,
        observer: PollObserver,
    ) -> None:
        self._connection = connection
        self._heartland = heartland
        self._producer = producer
        self._cursors = cursors
        self._links = links
        self._clock = clock
        self._window = window
        self._observer = observer

    async def poll(self) -> None:
        """Publish new invoices. Raises TargetDown where Heartland, broker or database is unavailable.

        Nothing is lost then: the next poll continues after what was published.
        """
        position = await self._position()
        position = await self._publish_newly_linked(position)
        timestamps = []
        since = position.since(self._window.overlap)
        rows = invoices_changed_since(self._heartland, since, LIVE, per_page=self._window.page_size)
        async with aclosing(_pages(rows, self._window.page_size)) as pages:
            async for page in pages:
                invoices = self._readable(page)
                position = await self._publish(invoices, position)
                timestamps += [invoice.version.at for invoice in invoices]
        # Rows come by id, not by time: the cursor moves only once all of them are published.
        advanced = position.advanced(timestamps, self._clock.now()).trimmed(self._window.overlap, self._window.lookback)
        await self._store(position, advanced)

    async def _position(self) -> PollPosition:
        stored = await self._cursors.get(self._connection, FEED)
        if stored is not None:
            return PollPosition.read(stored)
        # Stored at once: an outage during the first poll must not move the start.
        return await self._store(None, PollPosition.start(self._clock.now(), self._window.lookback))

    async def _store(self, before: PollPosition | None, position: PollPosition) -> PollPosition:
        if position != before:
            await self._cursors.put(self._connection, FEED, position.stored())
        return position

    async def _publish_newly_linked(self, position: PollPosition) -> PollPosition:
        """Publish shipments of orders that have been linked since the last poll."""
        linked = await self._linked(record.order for record in position.unlinked.values())
        newly_linked = [int(key) for key, record in position.unlinked.items() if record.order in linked]
        for part in batches_of(newly_linked):
            rows = await invoices_by_id(self._heartland, part, LIVE)
            position = await self._publish(self._readable(rows), position)
        return position.without_unlinked(map(str, newly_linked))

    async def _publish(self, invoices: Sequence[Invoice], before: PollPosition) -> PollPosition:
        """Publish those of linked orders, and store the position, so that a later outage does not resend them."""
        new = [
            invoice for invoice in invoices if invoice.is_shipment and before.is_new(str(invoice.id), invoice.version)
        ]
        linked = await self._linked(invoice.order for invoice in new)
        position = before
        try:
            for invoice in (invoice for invoice in new if invoice.order in linked):
                lines = await read_invoice_lines(self._heartland, invoice.id, LIVE)
                event = invoice_notice(self._connection, linked[invoice.order], invoice, lines)
                await self._producer.send(RAW_HEARTLAND_FULFILMENT, event)
                self._observer.published()
                position = position.with_published(str(invoice.id), invoice.version)
            unlinked = {
                str(invoice.id): UnlinkedRecord(invoice.version.at, invoice.order)
                for invoice in new
                if invoice.order not in linked
            }
            position = position.with_unlinked(unlinked)
        finally:
            await self._store(before, position)
        return position

    async def _linked(self, orders: Iterable[str]) -> Mapping[str, str]:
        """Heartland order id -> Shopify order id, for linked orders."""
        order_ids = list(dict.fromkeys(orders))
        if not order_ids:
            return {}
        rows = await self._links.by_heartland_ids(self._connection, "order", order_ids)
        return {heartland_id: row.shopify_id for heartland_id, row in rows.items()}

    def _readable(self, rows: Iterable[Json]) -> list[Invoice]:
        """The rows that can be parsed. Others are reported and skipped, so that they do not block the rest."""
        invoices = []
        for row in rows:
            try:
                invoices.append(Invoice.read(row))
            except ValueError as error:
                self._observer.unreadable(str(error))
        return invoices


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
    """A function that polls the connection it is given by name.

    It raises TargetDown if the connection cannot work.
    """
    window = PollWindow(parts.overlap, parts.lookback, parts.page_size)

    async def poll(connection: str) -> None:
        feed = InvoiceFeed(
            connection,
            parts.heartland.get(connection).client,
            producer=parts.producer,
            cursors=parts.cursors,
            links=parts.links,
            clock=parts.shell.clock,
            window=window,
            observer=_observer(parts.shell, connection),
        )
        await feed.poll()

    return poll


def _observer(shell: Shell, connection: str) -> PollObserver:
    def unreadable(reason: str) -> None:
        shell.metrics.events_failed.labels("fulfilment", "unreadable").inc()
        shell.log.error(
            "a Heartland invoice cannot be read and was skipped",
            connection=connection,
            entity="fulfilment",
            reason=reason,
        )

    return PollObserver(published=shell.metrics.events_out.labels("fulfilment").inc, unreadable=unreadable)
