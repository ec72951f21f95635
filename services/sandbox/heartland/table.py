"""An in-memory table of records with indexes, so that look-ups stay fast with 20,000 orders."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

from services.sandbox.heartland.schema import Resource

Row = dict[str, Any]
FIRST_ID: Final = 100001
# The longest simulated read lag; insert times are kept this long.
MAX_LAG_SECONDS: Final = 900.0


class Table:
    def __init__(self, resource: Resource, monotonic: Callable[[], float]) -> None:
        self.resource = resource
        self.rows: dict[int, Row] = {}
        self.ids: list[int] = []
        self._monotonic = monotonic
        self._next = FIRST_ID
        self._parents: dict[int, int] = {}
        self._children: dict[int, list[int]] = {}
        self._index: dict[str, dict[object, dict[int, None]]] = {name: {} for name in resource.indexed}
        self._by_updated_at: list[tuple[str, int]] = []
        self._recent: deque[tuple[float, int]] = deque()

    def next_id(self) -> int:
        return self._next

    def insert(self, row: Row, parent: int | None = None) -> int:
        number = row["id"] = self._next
        self._next += 1
        self.rows[number] = row
        self.ids.append(number)
        if parent is not None:
            self._parents[number] = parent
            self._children.setdefault(parent, []).append(number)
        self._note_insert_time(number)
        self._add_to_indexes(row, row)
        return number

    def change(self, number: int, changes: Row) -> Row:
        row = self.rows[number]
        self._remove_from_indexes(row, changes)
        row.update(changes)
        self._add_to_indexes(row, changes)
        return row

    def delete(self, number: int) -> None:
        row = self.rows.pop(number)
        self._remove_from_indexes(row, row)
        del self.ids[bisect_left(self.ids, number)]
        parent = self._parents.pop(number, None)
        if parent is not None:
            self._children[parent].remove(number)

    def get(self, number: object) -> Row | None:
        """The record with this id, or None; `number` is unvalidated input."""
        return self.rows.get(number) if isinstance(number, int) else None

    def parent(self, number: int) -> int | None:
        return self._parents.get(number)

    def child_ids(self, parent: int) -> list[int]:
        return self._children.get(parent, [])

    def children(self, parent: int) -> list[Row]:
        return [self.rows[number] for number in self.child_ids(parent)]

    def is_indexed(self, name: str) -> bool:
        return name == "id" or name in self._index or name.startswith("custom@")

    def equal_to(self, name: str, value: object) -> Collection[int]:
        """Ids of the records whose indexed field has this value."""
        if name == "id":
            return [value] if isinstance(value, int) and value in self.rows else []
        return {} if isinstance(value, (dict, list)) else self._index.get(name, {}).get(value, {})

    def first(self, name: str, value: object) -> Row | None:
        for number in self.equal_to(name, value):
            return self.rows[number]
        return None

    def span(self, name: str, operator: str, value: Any) -> tuple[int, Callable[[], Iterable[int]]] | None:
        """The number and ids of the records that a comparison selects; None if the field has no sorted index."""
        if name == "id":
            low, high = _bounds(operator, bisect_left(self.ids, value), bisect_right(self.ids, value), len(self.ids))
            return high - low, lambda: self.ids[low:high]
        if name != "updated_at":
            return None
        left, right = (
            bisect_left(self._by_updated_at, (value, 0)),
            bisect_left(self._by_updated_at, (value, self._next)),
        )
        low, high = _bounds(operator, left, right, len(self._by_updated_at))
        return high - low, lambda: [number for _, number in self._by_updated_at[low:high]]

    def younger_than(self, seconds: float) -> set[int]:
        limit = self._monotonic() - seconds
        found = set()
        for inserted, number in reversed(self._recent):
            if inserted <= limit:
                break
            found.add(number)
        return found

    def _note_insert_time(self, number: int) -> None:
        now = self._monotonic()
        self._recent.append((now, number))
        while self._recent[0][0] < now - MAX_LAG_SECONDS:
            self._recent.popleft()

    def _add_to_indexes(self, row: Row, changed: Row) -> None:
        for name, value in self._indexed(row, changed):
            self._index.setdefault(name, {}).setdefault(value, {})[row["id"]] = None
        if changed.get("updated_at") is not None:
            insort(self._by_updated_at, (row["updated_at"], row["id"]))

    def _remove_from_indexes(self, row: Row, changed: Row) -> None:
        for name, value in self._indexed(row, changed):
            entry = self._index[name]
            entry[value].pop(row["id"], None)
            if not entry[value]:
                del entry[value]
        if changed.get("updated_at") is not None:
            del self._by_updated_at[bisect_left(self._by_updated_at, (row["updated_at"], row["id"]))]

    def _indexed(self, row: Row, changed: Row) -> list[tuple[str, object]]:
        found = [(name, row.get(name)) for name in self.resource.indexed if name in changed]
        if "custom" in changed:
            found += [(f"custom@{key}", str(value)) for key, value in (row.get("custom") or {}).items()]
        return found


def _bounds(operator: str, left: int, right: int, size: int) -> tuple[int, int]:
    return {"$gt": (right, size), "$gte": (left, size), "$lt": (0, left), "$lte": (0, right)}[operator]
