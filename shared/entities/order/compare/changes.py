"""Which orders either side changed since a moment, less those that were compared as they stand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import Any

from shared.connectors.heartland.clients import Heartland
from shared.connectors.heartland.decimal_json import normalized
from shared.connectors.heartland.timestamps import changed_at
from shared.connectors.shopify.clients import Shopify
from shared.entities.fulfilment.heartland import invoices_changed_since
from shared.entities.order.compare.own_records import OwnRecords
from shared.entities.order.heartland.orders import orders_changed_since
from shared.entities.order.shopify.changed_orders import changed_orders
from shared.limits.call_context import REPAIR
from shared.sync.comparison import Slice
from shared.sync.comparison_memory import Memory


class Changes:
    """The listings of one connection. Every method raises what the clients and the database raise."""

    def __init__(self, name: str, shopify: Shopify, heartland: Heartland, books: OwnRecords, memory: Memory) -> None:
        self._name = name
        self._shopify = shopify
        self._heartland = heartland
        self._books = books
        self._memory = memory

    async def since(self, moment: datetime, *, everything: bool = False) -> list[str]:
        """Shopify's ids. `everything` has also those that were found in agreement."""
        keys = [
            order.id
            async for order in changed_orders(partial(self._shopify.client.execute, context=REPAIR), moment)
            if everything or not self._memory.is_known_here(order.id, order.updated_at)
        ]
        stamps = await self._there(moment)
        linked = await self._books.linked(self._name, stamps)
        keys += [
            key for number, key in linked.items() if everything or not self._memory.is_known_there(key, stamps[number])
        ]
        return list(dict.fromkeys(keys))

    async def slice(self, start: datetime, end: datetime, size: int) -> Slice:
        """About `size` of the orders that Shopify shows as changed from `start` to `end`, the longest unchanged first.

        Ends between two seconds, so that the next slice can begin there. What changes meanwhile is seen by sweeps.
        """
        keys: list[str] = []
        last = start
        async with aclosing(changed_orders(partial(self._shopify.client.execute, context=REPAIR), start)) as orders:
            async for order in orders:
                if order.updated_at > end:
                    return Slice(keys, None)
                if len(keys) >= size and order.updated_at > last:
                    return Slice(keys, order.updated_at)
                keys.append(order.id)
                last = order.updated_at
        return Slice(keys, None)

    async def _there(self, moment: datetime) -> dict[str, datetime]:
        """Heartland's order ids with the newest change of the order or of an invoice of it."""
        client = self._heartland.client
        found: dict[str, datetime] = {}
        for rows, name in (
            (orders_changed_since(client, moment, REPAIR), "id"),
            (invoices_changed_since(client, moment, REPAIR), "order_id"),
        ):
            async for number, stamp in _stamped(rows, name, moment):
                found[number] = max(stamp, found.get(number, stamp))
        return found


async def _stamped(
    rows: AsyncIterator[dict[str, Any]], name: str, moment: datetime
) -> AsyncIterator[tuple[str, datetime]]:
    """Each row's order and time. A filter that the account does not know is ignored without a word: once that shows,
    nothing more is read, since it would be all there ever was.
    """
    async for given in rows:
        row = normalized(given)
        try:
            stamp = changed_at(row)
        except ValueError:
            continue
        if stamp < moment.replace(microsecond=0):
            return
        if row.get(name) is not None:
            yield str(row[name]), stamp
