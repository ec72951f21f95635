"""Shopify's global ids, `gid://shopify/Order/123`, and new numeric ids."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

GID = re.compile(r"^gid://shopify/(\w+)/(\d+)(?:\?.*)?$")
FIRST_ID = 5_100_000_000_001


def gid(kind: str, number: object) -> str:
    return f"gid://shopify/{kind}/{number}"


def parse(text: str) -> tuple[str, int] | None:
    """Type and number of a global id; None if it is not one."""
    found = GID.match(text)
    return (found.group(1), int(found.group(2))) if found else None


def numeric(value: object, kind: str = "") -> int | None:
    """The number in an id: 1, "1" or a global id (of `kind`, if given)."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value if value > 0 else None
    written = str(value)
    if written.isdigit():
        return int(written)
    found = parse(written)
    return found[1] if found and (not kind or found[0] == kind) else None


def fresh_ids(first: int = FIRST_ID) -> Iterator[int]:
    """Ids of thirteen digits, which exceed 32-bit integers like Shopify's."""
    return count(first, 7)
