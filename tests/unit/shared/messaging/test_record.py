from __future__ import annotations

from dataclasses import replace

from shared.limits.call_context import CallContext
from shared.messaging.record import context_of
from tests.support.messaging import a_record


def test_the_requests_of_records_are_for_their_aggregate_at_the_most_urgent_priority() -> None:
    records = [a_record("1001"), a_record("1001")]
    for record, priority in zip(records, ("backfill", "repair"), strict=True):
        record.envelope = replace(record.envelope, extra={"x-priority": priority})

    assert context_of(records) == CallContext("repair", frozenset({"1001"}))
