"""What becomes a hop, and what can only be a dead letter."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.journal.reading import SENDERS, hop_of_raw, hops_of_trace
from shared.entities.fulfilment.spec import FULFILMENT
from shared.entities.order.spec import ORDER
from shared.errors import Rejected
from shared.messaging.notice import RepairCause, asked_for
from shared.messaging.trace import trace_body
from tests.support.journal import HOP
from tests.support.messaging import NOON, an_envelope


def changed(**values: Any) -> bytes:
    return json.dumps({**json.loads(HOP.model_dump_json()), **values}).encode()


def test_a_hop_comes_back_as_it_was_sent() -> None:
    assert hops_of_trace(trace_body([HOP, HOP])) == [HOP, HOP]


def test_a_record_of_a_former_version_holds_one_hop() -> None:
    assert hops_of_trace(HOP.model_dump_json().encode()) == [HOP]


def test_what_may_be_absent_may_be_absent() -> None:
    needed = ("event_id", "trace_id", "connection", "entity", "key", "service", "outcome", "started_at", "finished_at")
    body = json.dumps({name: json.loads(HOP.model_dump_json())[name] for name in needed}).encode()

    [hop] = hops_of_trace(body)
    assert (hop.attempts, hop.source_time, hop.order_number, hop.lineage) == (1, None, "", ())


def test_what_the_database_cannot_hold_is_replaced() -> None:
    [hop] = hops_of_trace(changed(detail="a\0b" * 10_000, order_number="#1\0"))

    assert len(hop.detail) == 4_000
    assert "\0" not in hop.detail + hop.order_number


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="nothing"),
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="not JSON"),
        pytest.param(b"[]", id="an empty list"),
        pytest.param(b"{}", id="no fields"),
        pytest.param(b"[" + HOP.model_dump_json().encode() + b",{}]", id="one of a list"),
        pytest.param(changed(key=5), id="key is a number"),
        pytest.param(changed(event_id="x" * 600), id="too long for an index"),
        pytest.param(changed(attempts="two"), id="attempts in words"),
        pytest.param(changed(attempts=2**40), id="too many attempts"),
        pytest.param(changed(attempts=True), id="attempts is true"),
        pytest.param(changed(started_at="soon"), id="no time"),
        pytest.param(changed(started_at=5), id="time is a number"),
        pytest.param(changed(finished_at="0001-01-01T00:00:00+14:00"), id="before all time"),
        pytest.param(changed(started_at="2026-03-01T12:00:00"), id="a time without an offset"),
        pytest.param(changed(lineage=[1]), id="lineage of numbers"),
        pytest.param(changed(lineage="w-1"), id="lineage is text"),
        pytest.param(changed(detail=None), id="detail is null"),
    ],
)
def test_rejected(body: bytes | None) -> None:
    with pytest.raises(Rejected):
        hops_of_trace(body)


@given(
    st.binary(max_size=60)
    | st.dictionaries(st.text(max_size=8), st.text(max_size=8)).map(lambda d: json.dumps(d).encode())
)
def test_any_bytes_are_read_or_rejected(body: bytes) -> None:
    with pytest.raises(Rejected):
        hops_of_trace(body)


def test_a_raw_record_is_the_first_hop_of_its_event() -> None:
    hop = hop_of_raw(ORDER, ORDER.sources[0], an_envelope("450789469").headers(), 1_750_000_000_123)

    assert hop.finished_at == hop.started_at == datetime.fromtimestamp(1_750_000_000.123, UTC)
    assert (hop.service, hop.outcome, hop.source_time) == ("ingress", "received", NOON)
    assert (hop.event_id, hop.key, hop.shopify_id) == ("e1", "450789469", "450789469")
    assert (hop.trace_id, hop.detail) == ("a" * 32, "shopify.orders/create")


def test_what_the_poller_read_is_said_to_come_from_it() -> None:
    assert hop_of_raw(FULFILMENT, FULFILMENT.sources[0], an_envelope().headers(), 0).service == "poller"


@pytest.mark.parametrize(
    ("cause", "service"),
    [
        ("gap", "poller"),
        ("drift", "reconciler"),
        ("review", "tillbridge reviews decide"),
        ("replay", "tillbridge dlq"),
        ("definitions", "tillbridge settings reapply"),
    ],
)
def test_a_notice_that_no_vendor_sent_names_its_sender(cause: RepairCause, service: str) -> None:
    headers = replace(an_envelope(), extra=asked_for(cause)).headers()

    assert hop_of_raw(ORDER, ORDER.sources[0], headers, 0).service == service
    assert hop_of_raw(FULFILMENT, FULFILMENT.sources[0], headers, 0).service == service


def test_every_cause_has_a_sender() -> None:
    assert set(SENDERS) == set(get_args(RepairCause))


@pytest.mark.parametrize("cause", ["", "unknown"])
def test_an_unknown_cause_changes_no_sender(cause: str) -> None:
    headers = [*an_envelope().headers(), ("x-cause", cause.encode())]

    assert hop_of_raw(ORDER, ORDER.sources[0], headers, 0).service == "ingress"


@pytest.mark.parametrize("missing", ["ce_id", "ce_subject", "ce_time", "ce_type", "x-connection", "x-entity"])
def test_a_raw_record_that_is_no_event_is_rejected(missing: str) -> None:
    headers = [(name, value) for name, value in an_envelope().headers() if name != missing]

    with pytest.raises(Rejected, match=missing):
        hop_of_raw(ORDER, ORDER.sources[0], headers, 0)


def test_headers_that_are_no_text_are_rejected() -> None:
    with pytest.raises(Rejected):
        hop_of_raw(ORDER, ORDER.sources[0], [("ce_id", b"\xff")], 0)


def test_a_time_elsewhere_is_the_same_moment() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=-5)))

    assert hops_of_trace(changed(started_at=there.isoformat()))[0].started_at == NOON
