"""Lists the orders that either vendor changed since a time, without those compared after the change."""

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
from shared.entities.order.compare.snapshot import OrderSnapshot
from shared.entities.order.compare.stored_state import StoredOrderStates
from shared.entities.order.heartland.orders import orders_changed_since
from shared.entities.order.shopify.changed_orders import changed_orders
from shared.limits.call_context import REPAIR
from shared.sync.comparison import Companion, Slice
from shared.sync.comparison_memory import Memory


class Changes:
    """Lists changed orders of one connection. Every method raises what the clients and the database raise."""

    def __init__(
        self,
        name: str,
        shopify: ShopifyConnection,
        heartland: HeartlandConnection,
        stored_states: StoredOrderStates,
        memory: Memory,
        companions: Sequence[Companion[OrderSnapshot]] = (),
    ) -> None:
        self._name = name
        self._shopify = shopify
        self._heartland = heartland
        self._stored_states = stored_states
        self._memory = memory
        self._companions = companions

    async def since(self, moment: datetime, *, everything: bool = False) -> list[str]:
        """Shopify's ids of changed orders. `everything`: also those that were found equal since their change."""
        keys = [
            order.id
            async for order in changed_orders(partial(self._shopify.client.execute, context=REPAIR), moment)
            if everything or not self._memory.is_known_here(order.id, order.updated_at)
        ]
        changed = await self._changed_in_heartland(moment)
        linked = await self._stored_states.linked(self._name, changed)
        keys += [
            key for number, key in linked.items() if everything or not self._memory.is_known_there(key, changed[number])
        ]
        return list(dict.fromkeys(keys))

    async def slice(self, start: datetime, end: datetime, size: int) -> Slice:
        """About `size` orders that changed in Shopify from `start` to `end`, oldest change first.

        A slice ends between two timestamps, so that the next one can start there. Orders that change meanwhile are
        found by the next sweep.
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

    async def _changed_in_heartland(self, moment: datetime) -> dict[str, datetime]:
        """Heartland's order ids with the newest change of the order, or of an entity compared with it."""
        rows = orders_changed_since(self._heartland.client, moment, REPAIR)
        changed = await newest_changes(rows, "id", moment)
        for companion in self._companions:
            for number, at in (await companion.changed_since(moment)).items():
                changed[number] = max(at, changed.get(number, at))
        return changed


async def newest_changes(rows: AsyncIterator[dict[str, Any]], name: str, moment: datetime) -> dict[str, datetime]:
    """The newest change of the rows, by the value of their field `name`.

    An account may silently ignore a filter that it does not support, and list everything. A row older than `moment`
    shows that: then reading stops.
    """
    newest: dict[str, datetime] = {}
    async for raw_row in rows:
        row = normalized(raw_row)
        try:
            at = changed_at(row)
        except ValueError:
            continue
        if at < moment.replace(microsecond=0):
            break
        if row.get(name) is not None:
            key = str(row[name])
            newest[key] = max(at, newest.get(key, at))
    return newest
