"""Customers, as last described by an order."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import orjson

from services.sandbox.shopify.money import Json


class Customers:
    """Customers as compressed JSON, since a run may have as many customers as orders."""

    def __init__(self) -> None:
        self._rows: dict[int, bytes] = {}
        self._by_email: dict[str, int] = {}
        self._by_phone: dict[str, int] = {}
        self.stored: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def ids(self) -> Iterator[int]:
        return iter(self._rows)

    def get(self, customer_id: int) -> Json | None:
        row = self._rows.get(customer_id)
        if row is None:
            return None
        found: Json = orjson.loads(zlib.decompress(row))
        return found

    def with_email(self, email: str) -> Json | None:
        found = self._by_email.get(email.strip().lower())
        return None if found is None else self.get(found)

    def with_phone(self, phone: str) -> Json | None:
        found = self._by_phone.get(phone.strip())
        return None if found is None else self.get(found)

    def note(self, customer: Json, stored: float) -> None:
        """Merges the given fields into the stored customer."""
        customer_id = int(customer["id"])
        row = {**(self.get(customer_id) or {}), **customer}
        self._rows[customer_id] = zlib.compress(orjson.dumps(row), 1)
        self.stored[customer_id] = stored
        if row.get("email"):
            self._by_email[str(row["email"]).lower()] = customer_id
        if row.get("phone"):
            self._by_phone[str(row["phone"])] = customer_id
