"""Traces an order through all services, from the journal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.canonical.hop import Hop
from shared.entities.order.spec import ORDER
from shared.entities.table import events_under
from shared.state.database import Database
from shared.state.journal import Journal, RecentOrder


@dataclass(frozen=True, slots=True)
class OrderTrace:
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


async def read_traces(database: Database, query: str, connection: str | None = None) -> list[OrderTrace]:
    """The traces of `query`, a number or an id: two orders may have the same number. Raises TargetDown."""
    return traces(await Journal(database).story(connection, query, (ORDER.name,)))


async def recent_orders(database: Database, limit: int) -> list[RecentOrder]:
    """The orders with the latest hops, newest first. Raises TargetDown."""
    return await Journal(database).recent_orders(limit, events_under(ORDER.name))


def traces(hops: Iterable[Hop]) -> list[OrderTrace]:
    """The hops grouped by order, the order that began first first."""
    by_order: dict[tuple[str, str], list[Hop]] = {}
    for hop in hops:
        by_order.setdefault((hop.connection, hop.key), []).append(hop)
    return [_trace(connection, key, found) for (connection, key), found in by_order.items()]


def _trace(connection: str, key: str, hops: Sequence[Hop]) -> OrderTrace:
    return OrderTrace(
        connection,
        order_number=_last(hop.order_number for hop in hops),
        shopify_id=_last(hop.shopify_id for hop in hops) or key,
        heartland_id=_last(hop.heartland_id for hop in hops),
        hops=tuple(hops),
    )


def _last(values: Iterable[str]) -> str:
    return next((value for value in reversed(list(values)) if value), "")
