"""The story of an order through all services, from the journal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.canonical.hop import Hop
from shared.state.database import Database
from shared.state.journal import Journal


@dataclass(frozen=True, slots=True)
class Story:
    """All hops of one order, first to last."""

    connection: str
    order_number: str
    shopify_id: str
    heartland_id: str
    hops: tuple[Hop, ...]

    @property
    def began(self) -> datetime:
        return min(hop.started_at for hop in self.hops)

    def as_json(self) -> dict[str, Any]:
        return {
            "connection": self.connection,
            "order_number": self.order_number,
            "shopify_id": self.shopify_id,
            "heartland_id": self.heartland_id,
            "hops": [hop.model_dump() for hop in self.hops],
        }


async def read_stories(database: Database, query: str, connection: str | None = None) -> list[Story]:
    """What the journal has of `query`: two orders may have the same number. Raises TargetDown."""
    return stories(await Journal(database).story(connection, query))


def stories(hops: Iterable[Hop]) -> list[Story]:
    """The hops sorted into orders, in the order in which those began."""
    by_order: dict[tuple[str, str], list[Hop]] = {}
    for hop in hops:
        by_order.setdefault((hop.connection, hop.key), []).append(hop)
    return [_story(connection, key, found) for (connection, key), found in by_order.items()]


def _story(connection: str, key: str, hops: Sequence[Hop]) -> Story:
    return Story(
        connection,
        order_number=_last(hop.order_number for hop in hops),
        shopify_id=_last(hop.shopify_id for hop in hops) or key,
        heartland_id=_last(hop.heartland_id for hop in hops),
        hops=tuple(hops),
    )


def _last(values: Iterable[str]) -> str:
    return next((value for value in reversed(list(values)) if value), "")
