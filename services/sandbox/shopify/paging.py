"""Connections with keyset cursors, so that pages stay correct when records change."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from services.sandbox.shopify.graphql_errors import ApiError
from services.sandbox.shopify.money import Json

LARGEST_PAGE: Final = 250
Key = tuple[Any, ...]


class Page:
    """One page; its nodes are built lazily."""

    __slots__ = ("_keys", "_make", "_rows", "has_next", "has_previous")

    def __init__(
        self, rows: Sequence[Any], keys: Sequence[Key], make: Callable[[Any], Any], has_next: bool, has_previous: bool
    ) -> None:
        self._rows, self._keys, self._make = rows, keys, make
        self.has_next, self.has_previous = has_next, has_previous

    def nodes(self) -> list[Any]:
        make = self._make
        return [make(row) for row in self._rows]

    def edges(self) -> list[Json]:
        return [{"cursor": cursor(key), "node": node} for key, node in zip(self._keys, self.nodes(), strict=True)]

    def info(self) -> Json:
        ends = (cursor(self._keys[0]), cursor(self._keys[-1])) if self._keys else (None, None)
        return {
            "hasNextPage": self.has_next,
            "hasPreviousPage": self.has_previous,
            "startCursor": ends[0],
            "endCursor": ends[1],
        }


def cursor(key: Key) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(list(key))).decode()


def place(text: str) -> Key:
    """The key in a cursor. Raises ApiError for an invalid cursor."""
    try:
        return tuple(orjson.loads(base64.urlsafe_b64decode(text)))
    except (ValueError, TypeError) as error:
        raise ApiError(f"Invalid cursor for current pagination sort: {text}", "BAD_REQUEST") from error


def same(row: Any) -> Any:
    return row


def page(
    rows: Sequence[Any], args: Json, make: Callable[[Any], Any] = same, key: Callable[[Any], Key] | None = None
) -> Page:
    """The page of `rows` that `args` (first, after, last, before, reverse) select.

    `rows` are ordered by `key`; without one by their index, as in the short lists within a record.
    """
    first, last = _size(args, "first"), _size(args, "last")
    if first is None and last is None:
        raise ApiError("you must provide one of first or last", "BAD_REQUEST")
    placed = [(key(row) if key else (number,), row) for number, row in enumerate(rows)]
    if args.get("reverse"):
        placed.reverse()
    start, end = _bounds(placed, args)
    start, end = _cut(start, end, first, last)
    chosen = placed[start:end]
    return Page([row for _, row in chosen], [k for k, _ in chosen], make, end < len(placed), start > 0)


def _size(args: Json, name: str) -> int | None:
    size = args.get(name)
    if size is None:
        return None
    if not 0 <= size <= LARGEST_PAGE:
        raise ApiError(f"{name} must be between 0 and {LARGEST_PAGE}", "BAD_REQUEST")
    return int(size)


def _bounds(placed: list[tuple[Key, Any]], args: Json) -> tuple[int, int]:
    sign = -1 if args.get("reverse") else 1
    start, end = 0, len(placed)
    if args.get("after"):
        after = place(args["after"])
        start = sum(1 for k, _ in placed if _compare(k, after) * sign <= 0)
    if args.get("before"):
        before = place(args["before"])
        end = sum(1 for k, _ in placed if _compare(k, before) * sign < 0)
    return start, max(start, end)


def _compare(left: Key, right: Key) -> int:
    return (left > right) - (left < right)


def _cut(start: int, end: int, first: int | None, last: int | None) -> tuple[int, int]:
    if first is not None:
        end = min(end, start + first)
    if last is not None:
        start = max(start, end - last)
    return start, end
