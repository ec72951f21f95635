"""Timestamps in Shopify's formats.

The shop's offset in webhook bodies, UTC in GraphQL, whole seconds in both.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

SHOP_ZONE = timezone(timedelta(hours=-5))
EPOCH = "1970-01-01T00:00:00Z"


@lru_cache(maxsize=16384)
def moment(text: str) -> datetime | None:
    """Parses a timestamp to UTC; None if it is invalid."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


@lru_cache(maxsize=16384)
def utc(text: str) -> str:
    found = moment(text)
    return found.strftime("%Y-%m-%dT%H:%M:%SZ") if found else EPOCH


def graphql_time(value: object) -> str | None:
    """A stored timestamp in GraphQL format; None stays None."""
    return utc(value) if isinstance(value, str) and value else None


def stamp(at: datetime) -> str:
    """`at` in the format of webhook bodies."""
    return at.astimezone(SHOP_ZONE).isoformat(timespec="seconds")


def seconds(text: object) -> float:
    """A stored timestamp as seconds since 1970; 0 if there is none."""
    found = moment(text) if isinstance(text, str) else None
    return found.timestamp() if found else 0.0
