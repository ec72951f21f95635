"""Adds shipments to the snapshots of orders: Heartland's invoices, Shopify's fulfilments, and what we know of both."""

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
from shared.entities.order.compare.reader import newer_change, unread_apart
from shared.entities.order.compare.snapshot import Snapshot
from shared.entities.order.heartland.items import items_by_id
from shared.errors import NeedsReview, Rejected
from shared.limits.call_context import REPAIR
from shared.state.record_queries import RecordQueries
from shared.sync.comparison import Seen, Tools, Vendors

_ORDERS_PER_QUERY = 50
# Units by invoice.
Units = Mapping[str, int]


class OrderShipments:
    """See comparison.Companion."""

    def __init__(self, name: str, vendors: Vendors, tools: Tools) -> None:
        self._name = name
        self._shopify = vendors.shopify
        self._heartland = vendors.heartland
        self._queries = RecordQueries(tools.database)

    async def changed_since(self, moment: datetime) -> dict[str, datetime]:
        """Heartland's order ids with the newest change of an invoice."""
        rows = invoices_changed_since(self._heartland.client, moment, REPAIR)
        return await newest_changes(rows, "order_id", moment)

    async def complete(self, seen: Seen[Snapshot]) -> Seen[Snapshot]:
        """The orders with their shipments. An order whose invoices cannot be read becomes unread."""
        keys = [one.key for one in seen.snapshots]
        fulfilled = await self._fulfilled(keys)
        snapshots = {
            one.key: replace(one, known=replace(one.known, shipped=fulfilled.get(one.key, {})))
            for one in seen.snapshots
        }
        unread = dict(seen.unread)
        await self._add_invoices(snapshots, unread)
        units = await self._shipped(keys)
        complete = [replace(one, shipped=units.get(key)) for key, one in snapshots.items() if key not in unread]
        return Seen(complete, unread)

    async def _fulfilled(self, keys: Sequence[str]) -> dict[str, Units]:
        """Units that each invoice is known to have fulfilled, by order."""
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for row in await self._queries.done(self._name, keys, "fulfilment"):
            invoice = row["operation"].split(":")[1]
            units = sum(part.quantity for part in FulfilmentCall.read(row["result"]).parts)
            found[row["key"]][invoice] = found[row["key"]].get(invoice, 0) + units
        return dict(found)

    async def _add_invoices(self, snapshots: dict[str, Snapshot], unread: dict[str, str]) -> None:
        owners = {one.heartland.id: key for key, one in snapshots.items() if one.heartland is not None}
        invoices = await invoices_of_orders(self._heartland.client, [int(number) for number in owners], REPAIR)
        for row in map(normalized, invoices):
            key = owners.get(str(row.get("order_id")))
            if key is not None and is_completed(row):
                with unread_apart(key, unread):
                    snapshots[key] = await self._with_invoice(snapshots[key], row)

    async def _with_invoice(self, seen: Snapshot, row: dict[str, Any]) -> Snapshot:
        assert seen.heartland is not None  # noqa: S101 - else it has no invoices
        there = replace(seen.heartland, changed_at=newer_change(seen.heartland.changed_at, row))
        number = str(row["id"])
        units = 0 if number in seen.known.shipped else await self._units(row, seen.key)
        if units != 0:
            there = replace(there, unknown={**there.unknown, number: units})
        return replace(seen, heartland=there)

    async def _units(self, invoice: dict[str, Any], key: str) -> int | None:
        """The units that an invoice ships, as the transformer reads it. Only read for invoices without a fulfilment."""
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
        found: dict[str, int] = {}
        for start in range(0, len(keys), _ORDERS_PER_QUERY):
            found |= await shipped_units(execute, list(keys[start : start + _ORDERS_PER_QUERY]))
        return found
