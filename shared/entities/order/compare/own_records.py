"""What we believe of some orders, and what of them is still on its way: read from our own tables, many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from shared.entities.order.compare.snapshot import Decided, OwnRecord
from shared.state.database import Database
from shared.state.record_queries import RecordQueries


@dataclass(frozen=True, slots=True)
class Beliefs:
    """`known` by Shopify's order id, `links` from there to Heartland's id."""

    known: Mapping[str, OwnRecord] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


class OwnRecords:
    """Every method raises TargetDown without a database."""

    def __init__(self, db: Database, entities: Sequence[str], in_flight: timedelta) -> None:
        self._queries = RecordQueries(db)
        self._entities = list(entities)
        self._in_flight = in_flight

    async def of(self, connection: str, keys: Sequence[str], now: datetime) -> Beliefs:
        """What we believe of these orders."""
        known = {key: OwnRecord() for key in keys}
        for row in await self._queries.versions(connection, "order", "heartland", keys):
            known[row["key"]] = _with_version(known[row["key"]], row)
        for why, rows in (
            ("a call is in doubt", await self._queries.in_doubt(connection, keys)),
            ("it is parked", await self._queries.parked(connection, keys)),
            ("a person was asked", await self._queries.under_review(connection, keys)),
            ("it is a dead letter", await self._queries.dead_letters(connection, keys, self._entities, "order")),
        ):
            for row in rows:
                known[row["key"]] = replace(known[row["key"]], busy=why)
        for row in await self._queries.in_flight(connection, keys, self._entities):
            if is_in_flight(row["received"], row["ended"], now, self._in_flight):
                known[row["key"]] = replace(known[row["key"]], busy="it is on its way")
        for row in await self._queries.decided(connection, keys):
            decided = {**known[row["key"]].decided, row["entity"]: Decided(row["asked_at"], row["decided_at"])}
            known[row["key"]] = replace(known[row["key"]], decided=decided)
        links = await self._queries.links(connection, "order", keys)
        return Beliefs(known, {row["shopify_id"]: row["heartland_id"] for row in links})

    async def linked(self, connection: str, heartland_ids: Iterable[str]) -> dict[str, str]:
        """Shopify's ids of those Heartland orders that are ours, by Heartland's."""
        rows = await self._queries.linked(connection, "order", list(heartland_ids))
        return {row["heartland_id"]: row["shopify_id"] for row in rows}


def is_in_flight(received: datetime | None, ended: datetime | None, now: datetime, at_most: timedelta) -> bool:
    """Whether something of an order came in and has not come out yet; not for ever, since that would hide a loss."""
    if received is None or now - received > at_most:
        return False
    return ended is None or ended < received


def _with_version(known: OwnRecord, row: Any) -> OwnRecord:
    return replace(
        known,
        version=row["version"],
        content_hash=row["content_hash"],
        definitions_version=row["definitions_version"],
        blocked=row["blocked"],
    )
