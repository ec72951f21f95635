"""All orders of the shop, as compressed JSON, so that tens of thousands fit into memory.

Recently used ones are cached uncompressed.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Iterator

import orjson

from services.sandbox.shopify import shipping
from services.sandbox.shopify.money import Json
from services.sandbox.shopify.timestamps import seconds

OPEN_RECORDS = 512


class Entry:
    """The fields of an order that lists and searches need without decompressing it.

    Times are seconds since 1970.
    """

    __slots__ = ("created", "id", "name", "packed", "processed", "stored", "updated")

    def __init__(self, doc: Json) -> None:
        self.id: int = doc["rest"]["id"]
        self.stored = 0.0
        self.packed = b""
        self.note(doc)

    def note(self, doc: Json) -> None:
        rest = doc["rest"]
        self.name = str(rest["name"])
        self.created = seconds(rest["created_at"])
        self.updated = seconds(rest["updated_at"])
        self.processed = seconds(rest.get("processed_at")) or self.created


class Orders:
    """`get` returns a record; after changing it, the caller must `put` it back."""

    def __init__(self) -> None:
        self._entries: dict[int, Entry] = {}
        self._open: OrderedDict[int, Json] = OrderedDict()
        self._parts: dict[str, dict[int, int]] = {
            kind: {} for kind in ("FulfillmentOrder", "Fulfillment", "OrderTransaction", "Refund", "LineItem")
        }

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def get(self, order_id: int) -> Json | None:
        doc = self._open.get(order_id)
        if doc is not None:
            self._open.move_to_end(order_id)
            return doc
        entry = self._entries.get(order_id)
        if entry is None:
            return None
        opened: Json = orjson.loads(zlib.decompress(entry.packed))
        self._keep_open(order_id, opened)
        return opened

    def entry(self, order_id: int) -> Entry | None:
        return self._entries.get(order_id)

    def owner(self, kind: str, part_id: int) -> Json | None:
        """The order with this fulfilment order, fulfilment, transaction, refund or line."""
        order_id = self._parts.get(kind, {}).get(part_id)
        return None if order_id is None else self.get(order_id)

    def put(self, doc: Json, stored: float) -> None:
        order_id = doc["rest"]["id"]
        entry = self._entries.get(order_id)
        if entry is None:
            entry = self._entries[order_id] = Entry(doc)
        entry.note(doc)
        entry.stored = stored
        # Compressed when it leaves the cache, since a record in use changes several times.
        entry.packed = b""
        self._index(doc)
        self._keep_open(order_id, doc)

    def _keep_open(self, order_id: int, doc: Json) -> None:
        self._open[order_id] = doc
        self._open.move_to_end(order_id)
        while len(self._open) > OPEN_RECORDS:
            closed_id, closed = self._open.popitem(last=False)
            entry = self._entries[closed_id]
            if not entry.packed:
                entry.packed = zlib.compress(orjson.dumps(closed), 1)

    def _index(self, doc: Json) -> None:
        rest, order_id = doc["rest"], doc["rest"]["id"]
        parts = (
            ("FulfillmentOrder", doc["fos"]),
            ("Fulfillment", shipping.fulfilments(rest)),
            ("OrderTransaction", doc["payments"]),
            ("Refund", rest.get("refunds") or ()),
            ("LineItem", rest.get("line_items") or ()),
        )
        for kind, rows in parts:
            index = self._parts[kind]
            for row in rows:
                index[row["id"]] = order_id
