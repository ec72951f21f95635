"""Reads our own tables about orders: last written version, links, decisions, work in progress."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from shared.entities.order.compare.snapshot import ReviewDecision, StoredOrderState
from shared.state.database import Database
from shared.state.record_queries import RecordQueries


@dataclass(frozen=True, slots=True)
class StoredOrders:
    """`by_id` is by Shopify's order id, `links` from Shopify's order id to Heartland's."""

    by_id: Mapping[str, StoredOrderState] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


class StoredOrderStates:
    """Reads the stored state of many orders at once. Every method raises TargetDown without a database."""

    def __init__(self, db: Database, entities: Sequence[str], in_flight: timedelta) -> None:
        self._queries = RecordQueries(db)
        self._entities = list(entities)
        self._in_flight = in_flight

    async def of(self, connection: str, keys: Sequence[str], now: datetime) -> StoredOrders:
        """The stored state of these orders."""
        stored = {key: StoredOrderState() for key in keys}
        for row in await self._queries.versions(connection, "order", "heartland", keys):
            stored[row["key"]] = _with_version(stored[row["key"]], row)
        for in_progress, rows in (
            ("a call is in doubt", await self._queries.in_doubt(connection, keys)),
            ("it is parked", await self._queries.parked(connection, keys)),
            ("a review is open", await self._queries.under_review(connection, keys)),
            ("it is a dead letter", await self._queries.dead_letters(connection, keys, self._entities, "order")),
        ):
            for row in rows:
                stored[row["key"]] = replace(stored[row["key"]], in_progress=in_progress)
        for row in await self._queries.in_flight(connection, keys, self._entities):
            if is_in_flight(row["received"], row["ended"], now, self._in_flight):
                stored[row["key"]] = replace(stored[row["key"]], in_progress="an event is in flight")
        for row in await self._queries.decided(connection, keys):
            decided = {**stored[row["key"]].decided, row["entity"]: ReviewDecision(row["asked_at"], row["decided_at"])}
            stored[row["key"]] = replace(stored[row["key"]], decided=decided)
        links = await self._queries.links(connection, "order", keys)
        return StoredOrders(stored, {row["shopify_id"]: row["heartland_id"] for row in links})

    async def linked(self, connection: str, heartland_ids: Iterable[str]) -> dict[str, str]:
        """Heartland id -> Shopify id, for those Heartland orders that are linked."""
        rows = await self._queries.linked(connection, "order", list(heartland_ids))
        return {row["heartland_id"]: row["shopify_id"] for row in rows}


def is_in_flight(received: datetime | None, ended: datetime | None, now: datetime, at_most: timedelta) -> bool:
    """Whether an event of an order was received and has not ended.

    Only for `at_most`, or it would hide a loss.
    """
    if received is None or now - received > at_most:
        return False
    return ended is None or ended < received


def _with_version(stored: StoredOrderState, row: Any) -> StoredOrderState:
    return replace(
        stored,
        version=row["version"],
        content_hash=row["content_hash"],
        definitions_version=row["definitions_version"],
        blocked=row["blocked"],
    )
