"""The hop: a trace record of what one service did with one event. Small, since each event has several."""

from __future__ import annotations

from datetime import datetime

from shared.canonical.record import CanonicalRecord

# Outcomes of hops. `opened`, `half_open` and `closed` are states of a circuit breaker, not of an event.
OUTCOMES = (
    "received", "published", "applied", "superseded", "duplicate", "echo", "stale", "parked", "review",
    "dead_letter", "retrying", "skipped", "opened", "half_open", "closed",
)  # fmt: skip


class Hop(CanonicalRecord):
    """One hop of one aggregate.

    Times are aware UTC; `source_time` is the time of the change by the source's clock.
    """

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
