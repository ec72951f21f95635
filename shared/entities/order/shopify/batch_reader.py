"""Reads orders in batches: requests that arrive shortly after one another share one query.

A batch is sent when no order has joined it for one window, when it is as large as one query may be, or after eight
windows. So a single order waits for one short window, and a burst is read in full batches. At most two queries are in
flight; meanwhile the next batches fill.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from shared.canonical.priority import Priority
from shared.connectors.shopify.document import Document
from shared.connectors.shopify.errors import QueryTooLarge
from shared.connectors.shopify.paging import Execute, Node
from shared.entities.order.shopify.documents import READ_ORDERS
from shared.entities.order.shopify.pages import complete, read_orders
from shared.errors import IntegrationError, Rejected, TargetDown
from shared.limits.call_context import CallContext

_IN_FLIGHT = 2
# How long an order counts as recently read, in seconds, and how many such orders are stored.
_RECENT_SECONDS = 30.0
_RECENT_AT_MOST = 20_000
# A batch is sent after this many windows at the latest.
_WINDOWS = 8


class QueryClient(Protocol):
    """The part of ShopifyClient that is used here."""

    async def execute(
        self, document: Document, variables: Mapping[str, Any], context: CallContext
    ) -> dict[str, Any]: ...
    def max_units(self, document: Document) -> int: ...


class RecentReads:
    """Orders that were read within the last 30 seconds.

    `seconds` is the window for reading one again; 0 for none.

    When we write our metafields, Shopify sends another webhook about a second after the order was read. The order is
    then read again, but may wait longer for others to join the query.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._read_at: dict[str, float] = {}

    def holds(self, order_id: str, now: float) -> bool:
        """Whether the order was read recently, so that reading it again is not urgent."""
        return now - self._read_at.get(order_id, -_RECENT_SECONDS) < _RECENT_SECONDS and self.seconds > 0

    def note(self, order_id: str, now: float) -> None:
        self._read_at.pop(order_id, None)
        self._read_at[order_id] = now
        while self._read_at and (len(self._read_at) > _RECENT_AT_MOST or self._oldest() < now - _RECENT_SECONDS):
            del self._read_at[next(iter(self._read_at))]

    def _oldest(self) -> float:
        return next(iter(self._read_at.values()))


class OrderReader:
    """The batching reader of one shop and priority.

    `maximum` limits a batch, even if a larger query is affordable.
    """

    def __init__(
        self,
        client: QueryClient,
        *,
        window_seconds: float,
        maximum: int,
        reread_window_seconds: float = 0.0,
        priority: Priority = "live",
    ) -> None:
        self._client = client
        self._context = CallContext(priority)
        self._window = window_seconds
        self._recent = RecentReads(reread_window_seconds)
        self._maximum = maximum
        self._limit = maximum
        self._waiting: dict[str, list[asyncio.Future[Node | None]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._queries: set[asyncio.Task[None]] = set()

    async def read(self, order_id: str) -> Node | None:
        """The complete order; None if Shopify does not return it.

        Raises what the client raises; an error of a shared query is raised for every order in it.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Node | None] = loop.create_future()
        self._waiting.setdefault(order_id, []).append(answer)
        if len(self._waiting) >= self._size():
            self._send()
        elif self._recent.holds(order_id, loop.time()):
            self._send_after_reread_window()
        else:
            self._send_after_window()
        node = await answer
        self._recent.note(order_id, loop.time())
        return await complete(node, self._executor(order_id)) if node else None

    async def close(self) -> None:
        """Cancel the queries in flight and their callers."""
        if self._timer is not None:
            self._timer.cancel()
        for query in self._queries:
            query.cancel()
        await asyncio.gather(*self._queries, return_exceptions=True)
        _cancel(self._waiting)
        self._waiting = {}

    def _executor(self, *ids: str) -> Execute:
        return partial(self._client.execute, context=self._context.about(*ids))

    def _size(self) -> int:
        return max(1, min(self._limit, self._client.max_units(READ_ORDERS)))

    def _send_after_reread_window(self) -> None:
        """A recently read order waits for others; the next order that was not read recently shortens the wait."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._deadline = loop.time() + self._recent.seconds
            self._timer = loop.call_at(self._deadline, self._send)

    def _send_after_window(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _WINDOWS * self._window
        if self._timer is None:
            self._deadline = deadline
        else:
            self._timer.cancel()
            self._deadline = min(self._deadline, deadline)
        self._timer = loop.call_at(min(loop.time() + self._window, self._deadline), self._send)

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting and len(self._queries) < _IN_FLIGHT:
            ids = list(self._waiting)[: self._size()]
            batch = {order_id: self._waiting.pop(order_id) for order_id in ids}
            query = asyncio.get_running_loop().create_task(self._serve(batch), name="read orders")
            self._queries.add(query)
            query.add_done_callback(self._served)

    def _served(self, query: asyncio.Task[None]) -> None:
        self._queries.discard(query)
        if self._waiting and self._timer is None and not query.cancelled():
            self._send()

    async def _serve(self, batch: Waiters) -> None:
        try:
            found = await self._query(list(batch))
        except asyncio.CancelledError:
            _cancel(batch)
            raise
        # An unexpected error is raised in the callers, which stops the service.
        except Exception as error:
            found = dict.fromkeys(batch, error)
        _settle(batch, found)

    async def _query(self, ids: Sequence[str]) -> dict[str, Node | Exception | None]:
        try:
            nodes = await read_orders(ids, self._executor(*ids))
        except (QueryTooLarge, Rejected) as error:
            return await self._halves(ids, error)
        except IntegrationError as error:
            # Shopify answered with an error, which a single order may cause. If it is an outage, the breaker opens
            # after a few of these.
            if isinstance(error, TargetDown) and error.answered:
                return await self._halves(ids, error)
            return dict.fromkeys(ids, error)
        self._limit = min(self._maximum, self._limit + 1)
        return dict(nodes)

    async def _halves(self, ids: Sequence[str], error: IntegrationError) -> dict[str, Node | Exception | None]:
        """Retry by halves: a smaller query may fit, and one refused order must not fail the others."""
        if len(ids) == 1:
            return {ids[0]: error}
        half = len(ids) // 2
        if isinstance(error, QueryTooLarge):
            self._limit = min(self._limit, half)
        return {**await self._query(ids[:half]), **await self._query(ids[half:])}


Waiters = Mapping[str, list[asyncio.Future[Node | None]]]


def _cancel(batch: Waiters) -> None:
    for waiting in batch.values():
        for future in waiting:
            future.cancel()


def _settle(batch: Waiters, found: Mapping[str, Node | Exception | None]) -> None:
    for order_id, waiting in batch.items():
        answer = found[order_id]
        for future in waiting:
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
