"""Reads orders for many keys at a time: those who ask shortly after one another share one query.

A batch leaves when nobody has joined it for one window, when it is as large as one query may be, or after eight
windows. So a quiet shop waits for one short window and a burst, however it trickles in, is read in full batches. Two
queries are under way at most; while they are, the next ones fill up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from shared.connectors.shopify.documents import READ_ORDERS, Document
from shared.connectors.shopify.errors import TooMuch
from shared.connectors.shopify.pages import Node, complete, read_orders
from shared.errors import IntegrationError, Rejected

_IN_FLIGHT = 2
_WINDOWS = 8


class Reads(Protocol):
    """What is used of ShopifyClient."""

    async def execute(self, document: Document, variables: Mapping[str, Any]) -> dict[str, Any]: ...
    def fitting(self, document: Document) -> int: ...


class OrderReader:
    """The batching reader of one shop. `maximum` bounds a batch whatever the query may cost."""

    def __init__(self, client: Reads, *, window_seconds: float, maximum: int) -> None:
        self._client = client
        self._window = window_seconds
        self._maximum = maximum
        self._most = maximum
        self._waiting: dict[str, list[asyncio.Future[Node | None]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._latest = 0.0
        self._queries: set[asyncio.Task[None]] = set()

    async def read(self, order_id: str) -> Node | None:
        """The order with everything on it; None where Shopify shows no such order.

        Raises what the client raises; an error of a shared query reaches everyone who shared it.
        """
        answer: asyncio.Future[Node | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(order_id, []).append(answer)
        if len(self._waiting) >= self._size():
            self._send()
        else:
            self._send_later()
        node = await answer
        return await complete(node, self._client.execute) if node else None

    async def close(self) -> None:
        """Give up what is under way; whoever waits is cancelled with it."""
        if self._timer is not None:
            self._timer.cancel()
        for query in self._queries:
            query.cancel()
        await asyncio.gather(*self._queries, return_exceptions=True)
        _cancel(self._waiting)
        self._waiting = {}

    def _size(self) -> int:
        return max(1, min(self._most, self._client.fitting(READ_ORDERS)))

    def _send_later(self) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._latest = loop.time() + _WINDOWS * self._window
        else:
            self._timer.cancel()
        self._timer = loop.call_at(min(loop.time() + self._window, self._latest), self._send)

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
        # An error nobody expected belongs to those who wait too: it stops the service from there.
        except Exception as error:
            found = dict.fromkeys(batch, error)
        _settle(batch, found)

    async def _query(self, ids: Sequence[str]) -> dict[str, Node | Exception | None]:
        try:
            nodes = await read_orders(ids, self._client.execute)
        except (TooMuch, Rejected) as error:
            return await self._halves(ids, error)
        except IntegrationError as error:
            return dict.fromkeys(ids, error)
        self._most = min(self._maximum, self._most + 1)
        return dict(nodes)

    async def _halves(self, ids: Sequence[str], error: IntegrationError) -> dict[str, Node | Exception | None]:
        """What was too much at once may do by halves; and one order that is refused must not take others with it."""
        if len(ids) == 1:
            return {ids[0]: error}
        half = len(ids) // 2
        if isinstance(error, TooMuch):
            self._most = min(self._most, half)
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
