"""A hop and an alert as a writer leaves them."""

from __future__ import annotations

from datetime import timedelta

from shared.canonical.alert import Alert
from shared.canonical.hop import Hop
from tests.support.messaging import NOON

HOP = Hop(
    event_id="w-1",
    trace_id="a" * 32,
    connection="main",
    entity="order",
    key="1001",
    service="heartland_writer",
    outcome="applied",
    attempts=2,
    source_time=NOON,
    started_at=NOON,
    finished_at=NOON + timedelta(seconds=1),
    order_number="#1001",
    shopify_id="1001",
    heartland_id="100001",
    detail="created",
    lineage=("w-1", "w-2"),
)

ALARM = Alert(
    kind="breaker_open",
    connection="main",
    entity="breaker",
    key="heartland",
    service="heartland_writer",
    reason="Heartland does not answer",
    at=NOON,
    details={"failures": "5"},
)
