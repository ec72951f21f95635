"""Snapshots: orders as both vendors show them now, and as we believe them to be. All reads, at repair priority."""

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
from shared.entities.order.compare.own_records import Beliefs, OwnRecords
from shared.entities.order.compare.snapshot import InHeartland, Snapshot
from shared.entities.order.event import order_hash
from shared.entities.order.heartland.orders import orders_by_custom_field, orders_by_id
from shared.entities.order.record import Order
from shared.entities.order.settings import HeartlandOrderSettings
from shared.entities.order.shopify.documents import READ_ORDERS
from shared.entities.order.shopify.pages import complete, read_orders
from shared.entities.order.shopify.to_canonical import from_shopify
from shared.errors import IntegrationError, NeedsReview, Rejected, RetryLater, TargetDown
from shared.limits.call_context import REPAIR
from shared.sync.comparison import Companion, Seen

_MOST = 50


class Reader:
    """Of one connection."""

    def __init__(
        self,
        name: str,
        shopify: ShopifyConnection,
        heartland: HeartlandConnection,
        books: OwnRecords,
        companions: Sequence[Companion[Snapshot]] = (),
    ) -> None:
        self._name = name
        self._shopify = shopify
        self._heartland = heartland
        self._books = books
        self._companions = companions

    async def snapshots(self, keys: Sequence[str], now: datetime) -> Seen[Snapshot]:
        """Those of these orders that Shopify shows. Raises what the clients and the database raise for an outage."""
        unread: dict[str, str] = {}
        orders = await self._orders(keys, unread)
        ids = [order.id for order in orders]
        beliefs = await self._books.of(self._name, ids, now)
        there = await self._in_heartland(ids, beliefs, unread)
        snapshots = [
            Snapshot(
                connection=self._name,
                order=order,
                content_hash=order_hash(order, self._shopify.rules.metafield_namespace),
                shipped=None,
                heartland=there.get(order.id),
                known=beliefs.known[order.id],
                definitions_version=self._shopify.connection.definitions_version,
            )
            for order in orders
            if order.id not in unread
        ]
        seen = Seen(snapshots, unread)
        for companion in self._companions:
            seen = await companion.complete(seen)
        return seen

    async def _orders(self, keys: Sequence[str], unread: dict[str, str]) -> list[Order]:
        execute, found = partial(self._shopify.client.execute, context=REPAIR), []
        size = max(1, min(_MOST, self._shopify.client.fitting(READ_ORDERS)))
        for start in range(0, len(keys), size):
            nodes = await read_orders(keys[start : start + size], execute)
            for key, node in nodes.items():
                if node is not None:
                    with unread_apart(key, unread):
                        found.append(from_shopify(await complete(node, execute)))
        return found

    async def _in_heartland(
        self, ids: Sequence[str], beliefs: Beliefs, unread: dict[str, str]
    ) -> dict[str, InHeartland]:
        """By Shopify's id. An order without a link is looked up by the custom field, as the writer would."""
        client = self._heartland.client
        field = self._heartland.section("order", HeartlandOrderSettings).order_id_field
        linked = {int(there): ours for ours, there in beliefs.links.items()}
        rows = {int(row["id"]): row for row in await orders_by_id(client, linked, REPAIR)}
        found = {linked[number]: _in_heartland(row) for number, row in rows.items()}
        for key in ids:
            with unread_apart(key, unread):
                if key not in beliefs.links and (orders := await orders_by_custom_field(client, field, key, REPAIR)):
                    for row in await orders_by_id(client, [orders[0].id], REPAIR):
                        found[key] = _in_heartland(row)
        return found


@contextmanager
def unread_apart(key: str, unread: dict[str, str]) -> Iterator[None]:
    """One order that cannot be read keeps only itself from being compared; an outage of a vendor ends the pass.

    The road meets the same order, and tells somebody: by a dead letter, a review or a parked key.
    """
    try:
        yield
    except (RetryLater, NeedsReview, Rejected, ValueError) as error:
        if isinstance(error, TargetDown) and error.target:
            raise
        # The values in a ValueError may be personal.
        unread[key] = error.reason if isinstance(error, IntegrationError) else type(error).__name__


def _in_heartland(row: dict[str, Any]) -> InHeartland:
    record = normalized(row)
    figures = _figure(record, "total"), _figure(record, "total_paid")
    return InHeartland(
        str(record["id"]), str(record.get("status") or ""), *figures, changed_at=newer_change(None, record)
    )


def newer_change(known: datetime | None, row: Any) -> datetime | None:
    """The later of what is known and this row's own time, if it has one."""
    try:
        stamp = changed_at(row)
    except ValueError:
        return known
    return stamp if known is None else max(known, stamp)


def _figure(record: Any, name: str) -> Decimal | None:
    """None where the list does not show it, or shows no number."""
    try:
        return exact(record.get(name))
    except ValueError:
        return None
