"""Reads snapshots of orders: from both vendors, at repair priority, and from our own tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from shared.canonical.money import exact
from shared.connectors.heartland.clients import HeartlandConnection
from shared.connectors.heartland.decimal_json import normalized
from shared.connectors.heartland.timestamps import changed_at
from shared.connectors.shopify.clients import ShopifyConnection
from shared.entities.order.compare.snapshot import HeartlandOrderState, OrderSnapshot
from shared.entities.order.compare.stored_state import StoredOrders, StoredOrderStates
from shared.entities.order.event import order_hash
from shared.entities.order.heartland.orders import orders_by_custom_field, orders_by_id
from shared.entities.order.record import Order
from shared.entities.order.settings import HeartlandOrderSettings
from shared.entities.order.shopify.documents import READ_ORDERS
from shared.entities.order.shopify.pages import complete, read_orders
from shared.entities.order.shopify.to_canonical import from_shopify
from shared.errors import IntegrationError, NeedsReview, Rejected, RetryLater, TargetDown
from shared.limits.call_context import REPAIR
from shared.sync.comparison import Companion, ReadResult

_ORDERS_PER_QUERY = 50


class Reader:
    """Reads snapshots of one connection's orders."""

    def __init__(
        self,
        name: str,
        shopify: ShopifyConnection,
        heartland: HeartlandConnection,
        stored_states: StoredOrderStates,
        companions: Sequence[Companion[OrderSnapshot]] = (),
    ) -> None:
        self._name = name
        self._shopify = shopify
        self._heartland = heartland
        self._stored_states = stored_states
        self._companions = companions

    async def snapshots(self, keys: Sequence[str], now: datetime) -> ReadResult[OrderSnapshot]:
        """Snapshots of those orders that Shopify returns.

        An outage is raised, as the clients and the database do.
        """
        unread: dict[str, str] = {}
        orders = await self._orders(keys, unread)
        ids = [order.id for order in orders]
        stored = await self._stored_states.of(self._name, ids, now)
        heartland = await self._in_heartland(ids, stored, unread)
        snapshots = [
            OrderSnapshot(
                connection=self._name,
                order=order,
                content_hash=order_hash(order, self._shopify.settings.metafield_namespace),
                fulfilled_units=None,
                heartland=heartland.get(order.id),
                stored=stored.by_id[order.id],
                definitions_version=self._shopify.connection.definitions_version,
            )
            for order in orders
            if order.id not in unread
        ]
        result = ReadResult(snapshots, unread)
        for companion in self._companions:
            result = await companion.complete(result)
        return result

    async def _orders(self, keys: Sequence[str], unread: dict[str, str]) -> list[Order]:
        execute, orders = partial(self._shopify.client.execute, context=REPAIR), []
        size = max(1, min(_ORDERS_PER_QUERY, self._shopify.client.max_units(READ_ORDERS)))
        for start in range(0, len(keys), size):
            nodes = await read_orders(keys[start : start + size], execute)
            for key, node in nodes.items():
                if node is not None:
                    with skip_unreadable(key, unread):
                        orders.append(from_shopify(await complete(node, execute)))
        return orders

    async def _in_heartland(
        self, ids: Sequence[str], stored: StoredOrders, unread: dict[str, str]
    ) -> dict[str, HeartlandOrderState]:
        """The Heartland orders by Shopify's id.

        Without a link they are looked up by custom field, as writers do.
        """
        client = self._heartland.client
        field = self._heartland.section("order", HeartlandOrderSettings).order_id_field
        linked = {int(heartland_id): shopify_id for shopify_id, heartland_id in stored.links.items()}
        rows = {int(row["id"]): row for row in await orders_by_id(client, linked, REPAIR)}
        found = {linked[number]: _in_heartland(row) for number, row in rows.items()}
        for key in ids:
            with skip_unreadable(key, unread):
                if key not in stored.links and (orders := await orders_by_custom_field(client, field, key, REPAIR)):
                    for row in await orders_by_id(client, [orders[0].id], REPAIR):
                        found[key] = _in_heartland(row)
        return found


@contextmanager
def skip_unreadable(key: str, unread: dict[str, str]) -> Iterator[None]:
    """Skip an order that cannot be read, and store the reason in `unread`.

    An outage of a vendor is raised.

    Nothing is reported here: the transformer and the writers meet the same order, and open a review, park it or
    dead-letter it.
    """
    try:
        yield
    except (RetryLater, NeedsReview, Rejected, ValueError) as error:
        if isinstance(error, TargetDown) and error.target:
            raise
        # The values in a ValueError may be personal.
        unread[key] = error.reason if isinstance(error, IntegrationError) else type(error).__name__


def _in_heartland(row: dict[str, Any]) -> HeartlandOrderState:
    record = normalized(row)
    amounts = _amount(record, "total"), _amount(record, "total_paid")
    return HeartlandOrderState(
        str(record["id"]), str(record.get("status") or ""), *amounts, changed_at=newer_change(None, record)
    )


def newer_change(known: datetime | None, row: Any) -> datetime | None:
    """The later of `known` and the row's own timestamp, if it has one."""
    try:
        at = changed_at(row)
    except ValueError:
        return known
    return at if known is None else max(known, at)


def _amount(record: Any, name: str) -> Decimal | None:
    """The amount; None if the row does not have it, or it is not a number."""
    try:
        return exact(record.get(name))
    except ValueError:
        return None
