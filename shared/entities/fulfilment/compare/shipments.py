"""Adds shipments to order snapshots: Heartland's invoices, Shopify's and our ledger's fulfilments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from shared.connectors.heartland.decimal_json import normalized
from shared.entities.fulfilment.heartland import (
    from_heartland,
    invoices_changed_since,
    invoices_of_orders,
    is_completed,
    read_invoice_lines,
    shipped_items,
)
from shared.entities.fulfilment.shipment_settings import shipment_settings
from shared.entities.fulfilment.shopify.allocation import FulfilmentCall
from shared.entities.fulfilment.shopify.shipped import shipped_units
from shared.entities.order.compare.changes import newest_changes
from shared.entities.order.compare.reader import newer_change, skip_unreadable
from shared.entities.order.compare.snapshot import OrderSnapshot
from shared.entities.order.heartland.items import items_by_id
from shared.errors import NeedsReview, Rejected
from shared.limits.call_context import REPAIR
from shared.state.record_queries import RecordQueries
from shared.sync.comparison import ReadResult, Tools, Vendors

_ORDERS_PER_QUERY = 50
# Units by invoice.
Units = Mapping[str, int]


class OrderShipments:
    """See `shared.sync.comparison.Companion`."""

    def __init__(self, name: str, vendors: Vendors, tools: Tools) -> None:
        self._name = name
        self._shopify = vendors.shopify
        self._heartland = vendors.heartland
        self._queries = RecordQueries(tools.database)

    async def changed_since(self, moment: datetime) -> dict[str, datetime]:
        """Heartland's order ids with the newest change of an invoice."""
        rows = invoices_changed_since(self._heartland.client, moment, REPAIR)
        return await newest_changes(rows, "order_id", moment)

    async def complete(self, result: ReadResult[OrderSnapshot]) -> ReadResult[OrderSnapshot]:
        """The orders with their shipments. An order whose invoices cannot be read becomes unread."""
        keys = [snapshot.key for snapshot in result.snapshots]
        fulfilled = await self._fulfilled(keys)
        snapshots = {
            snapshot.key: _with_fulfilled(snapshot, fulfilled.get(snapshot.key, {})) for snapshot in result.snapshots
        }
        unread = dict(result.unread)
        await self._add_invoices(snapshots, unread)
        units = await self._shipped(keys)
        complete = [
            replace(snapshot, fulfilled_units=units.get(key))
            for key, snapshot in snapshots.items()
            if key not in unread
        ]
        return ReadResult(complete, unread)

    async def _fulfilled(self, keys: Sequence[str]) -> dict[str, Units]:
        """Order -> invoice -> units that it fulfilled, by our ledger."""
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for row in await self._queries.done(self._name, keys, "fulfilment"):
            invoice = row["operation"].split(":")[1]
            units = sum(part.quantity for part in FulfilmentCall.read(row["result"]).parts)
            found[row["key"]][invoice] = found[row["key"]].get(invoice, 0) + units
        return dict(found)

    async def _add_invoices(self, snapshots: dict[str, OrderSnapshot], unread: dict[str, str]) -> None:
        orders = {snapshot.heartland.id: key for key, snapshot in snapshots.items() if snapshot.heartland is not None}
        invoices = await invoices_of_orders(self._heartland.client, [int(number) for number in orders], REPAIR)
        for row in map(normalized, invoices):
            key = orders.get(str(row.get("order_id")))
            if key is not None and is_completed(row):
                with skip_unreadable(key, unread):
                    snapshots[key] = await self._with_invoice(snapshots[key], row)

    async def _with_invoice(self, snapshot: OrderSnapshot, row: dict[str, Any]) -> OrderSnapshot:
        assert snapshot.heartland is not None  # noqa: S101 - only orders in Heartland have invoices
        heartland = replace(snapshot.heartland, changed_at=newer_change(snapshot.heartland.changed_at, row))
        number = str(row["id"])
        units = 0 if number in snapshot.stored.fulfilled_by_invoice else await self._units(row, snapshot.key)
        if units != 0:
            heartland = replace(heartland, unfulfilled_invoices={**heartland.unfulfilled_invoices, number: units})
        return replace(snapshot, heartland=heartland)

    async def _units(self, invoice: dict[str, Any], key: str) -> int | None:
        """The units that an invoice ships, read as the transformer does; None if it cannot be read."""
        client = self._heartland.client
        lines = await read_invoice_lines(client, int(invoice["id"]), REPAIR)
        try:
            items = await items_by_id(client, shipped_items(lines), REPAIR)
            skus = {number: item.public_id for number, item in items.items()}
            shipped = from_heartland(invoice, lines, skus, key, shipment_settings(self._heartland))
        except (Rejected, NeedsReview, KeyError):
            return None
        return sum(line.quantity for line in shipped.lines)

    async def _shipped(self, keys: Sequence[str]) -> dict[str, int]:
        execute = partial(self._shopify.client.execute, context=REPAIR)
        units: dict[str, int] = {}
        for start in range(0, len(keys), _ORDERS_PER_QUERY):
            units |= await shipped_units(execute, list(keys[start : start + _ORDERS_PER_QUERY]))
        return units


def _with_fulfilled(snapshot: OrderSnapshot, units: Units) -> OrderSnapshot:
    return replace(snapshot, stored=replace(snapshot.stored, fulfilled_by_invoice=units))
