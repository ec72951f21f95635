"""The headers put together for speed are those that every other producer writes."""

from __future__ import annotations

from datetime import UTC, datetime

from services.ingress.notice import moment, notice, template, valid_trace
from shared.entities.order.spec import RAW_SHOPIFY_ORDER
from shared.messaging.envelope import Envelope, new_traceparent, read_envelope

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_notice_is_an_envelope() -> None:
    trace = new_traceparent()
    envelope = Envelope(
        id="w-1",
        source="shopify",
        type="shopify.orders/paid",
        time=NOON,
        connection="main",
        entity="order",
        subject="1",
        body=b"{}",
        traceparent=trace,
        extra={"x-shopify-topic": "orders/paid", "x-shopify-event-id": "e"},
    )
    made = notice(
        template(
            "main", RAW_SHOPIFY_ORDER, entity="order", source="shopify", happened="orders/paid",
            extra=(("x-shopify-topic", "orders/paid"),),
        ),
        event_id=b"w-1",
        subject="1",
        time=moment(None, NOON),
        trace=trace,
        body=b"{}",
        extra=[("x-shopify-event-id", b"e")],
    )  # fmt: skip

    assert made.key == envelope.key
    assert sorted(made.headers) == sorted(envelope.headers())
    assert read_envelope(made.headers, made.body) == envelope


def test_a_new_trace_is_a_valid_one() -> None:
    trace = new_traceparent()

    assert valid_trace(trace) == trace
    assert new_traceparent() != trace


def test_a_time_without_an_offset_is_utc() -> None:
    assert moment("2026-03-01T12:00:00", NOON) == NOON.isoformat().encode()
