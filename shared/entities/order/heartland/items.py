"""Heartland's items: model and requests."""

from __future__ import annotations

from collections.abc import Iterable

from shared.connectors.heartland.client import HeartlandClient, Json, only
from shared.connectors.heartland.models import Model, Text, read_all
from shared.limits.call_context import CallContext

_FIELDS = only("id", "public_id")


class Item(Model):
    """`public_id` is the SKU."""

    id: int
    public_id: Text = ""


async def items_by_sku(client: HeartlandClient, skus: Iterable[str], context: CallContext) -> dict[str, Item]:
    """The items with these SKUs, many per request. Those that do not exist are left out."""
    rows = await client.by_values("items", "public_id", list(skus), extra=_FIELDS, context=context)
    return {item.public_id: item for item in read_all(Item, rows)}


async def items_by_id(client: HeartlandClient, ids: Iterable[int], context: CallContext) -> dict[int, Item]:
    """The items with these ids, many per request. Those that do not exist are left out."""
    rows = await client.by_values("items", "id", list(ids), extra=_FIELDS, context=context)
    return {item.id: item for item in read_all(Item, rows)}


async def create_item(client: HeartlandClient, item: Json, context: CallContext) -> int | None:
    return await client.create("items", body=item, context=context)
