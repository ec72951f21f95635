"""The trace record: what one service did with one event, small enough to keep for every event."""

from __future__ import annotations

from datetime import datetime

from shared.canonical.record import CanonicalRecord

# Outcomes of hops. `opened`, `half_open` and `closed` are a circuit breaker's, which belong to no event.
OUTCOMES = (
    "received", "published", "applied", "superseded", "duplicate", "echo", "stale", "parked", "review",
    "dead_letter", "retrying", "skipped", "opened", "half_open", "closed",
)  # fmt: skip


class Hop(CanonicalRecord):
    """One hop of one aggregate. Times are aware UTC; `source_time` is when the source says the change happened."""

    event_id: str
    trace_id: str
    connection: str
    entity: str
    key: str
    service: str
    outcome: str
    attempts: int = 1
    source_time: datetime | None = None
    started_at: datetime
    finished_at: datetime
    order_number: str = ""
    shopify_id: str = ""
    heartland_id: str = ""
    detail: str = ""
    lineage: tuple[str, ...] = ()
