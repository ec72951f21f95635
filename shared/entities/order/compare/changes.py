"""Which orders either side changed since a moment, less those that were compared as they stand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import Any

from shared.connectors.heartland.clients import HeartlandConnection
from shared.connectors.heartland.decimal_json import normalized
from shared.connectors.heartland.timestamps import changed_at
from shared.connectors.shopify.clients import ShopifyConnection
from shared.entities.order.compare.own_records import OwnRecords
from shared.entities.order.compare.snapshot import Snapshot
from shared.entities.order.heartland.orders import orders_changed_since
from shared.entities.order.shopify.changed_orders import changed_orders
from shared.limits.call_context import REPAIR
from shared.sync.comparison import Companion, Slice
from shared.sync.comparison_memory import Memory


class Changes:
    """The listings of one connection. Every method raises what the clients and the database raise."""

    def __init__(
        self,
        name: str,
        shopify: ShopifyConnection,
        heartland: HeartlandConnection,
        books: OwnRecords,
        memory: Memory,
        companions: Sequence[Companion[Snapshot]] = (),
    ) -> None:
        self._name = name
        self._shopify = shopify
        self._heartland = heartland
        self._books = books
        self._memory = memory
        self._companions = companions

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
        """Heartland's order ids with the newest change of the order or of what is compared with it."""
        rows = orders_changed_since(self._heartland.client, moment, REPAIR)
        found = await newest_changes(rows, "id", moment)
        for companion in self._companions:
            for number, at in (await companion.changed_since(moment)).items():
                found[number] = max(at, found.get(number, at))
        return found


async def newest_changes(rows: AsyncIterator[dict[str, Any]], name: str, moment: datetime) -> dict[str, datetime]:
    """The newest time of the rows by their field `name`.

    An account may ignore an unknown filter silently. Once a row older than `moment` shows that, reading stops, since
    all rows there are would follow.
    """
    found: dict[str, datetime] = {}
    async for given in rows:
        row = normalized(given)
        try:
            at = changed_at(row)
        except ValueError:
            continue
        if at < moment.replace(microsecond=0):
            break
        if row.get(name) is not None:
            key = str(row[name])
            found[key] = max(at, found.get(key, at))
    return found
