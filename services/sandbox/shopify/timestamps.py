"""Moments as Shopify writes them: the shop's own offset in webhook bodies, UTC in GraphQL, whole seconds in both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

SHOP_ZONE = timezone(timedelta(hours=-5))
EPOCH = "1970-01-01T00:00:00Z"


@lru_cache(maxsize=16384)
def moment(text: str) -> datetime | None:
    """The moment that `text` names, in UTC; None if it names none."""
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
    """A stored time as GraphQL shows it; None stays None."""
    return utc(value) if isinstance(value, str) and value else None


def stamp(at: datetime) -> str:
    """`at` as a webhook body shows it."""
    return at.astimezone(SHOP_ZONE).isoformat(timespec="seconds")


def seconds(text: object) -> float:
    """Seconds since 1970 of a stored time; 0 if there is none."""
    found = moment(text) if isinstance(text, str) else None
    return found.timestamp() if found else 0.0
