from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.canonical.event import CanonicalEvent
from shared.canonical.record import CanonicalRecord
from shared.errors import Rejected
from shared.messaging.envelope import (
    Envelope,
    canonical_envelope,
    child_traceparent,
    new_traceparent,
    read_envelope,
)
from tests.support.messaging import an_envelope

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(
    subject=ANY_TEXT,
    body=st.binary(max_size=50),
    connection=ANY_TEXT,
    extra=st.dictionaries(st.sampled_from(["x-shopify-topic", "x-a"]), ANY_TEXT),
)
def test_an_envelope_comes_back_as_it_was_sent(
    subject: str, body: bytes, connection: str, extra: dict[str, str]
) -> None:
    sent = Envelope(
        "e", "shopify", "t", an_envelope().time, connection, "order", subject, body, new_traceparent(), extra=extra
    )

    assert read_envelope(sent.headers(), sent.body) == sent


@given(st.lists(st.tuples(ANY_TEXT, st.binary(max_size=10)), max_size=8), st.none() | st.binary(max_size=10))
def test_any_headers_are_read_or_rejected(headers: list[tuple[str, bytes]], body: bytes | None) -> None:
    with suppress(Rejected):
        assert read_envelope(headers, body).id


@pytest.mark.parametrize("name", ["ce_id", "ce_time", "ce_subject", "x-connection", "x-entity"])
def test_a_missing_header_is_named(name: str) -> None:
    headers = [header for header in an_envelope().headers() if header[0] != name]

    with pytest.raises(Rejected, match=name):
        read_envelope(headers, b"")


@pytest.mark.parametrize(
    ("name", "value"),
    [("ce_time", b"yesterday"), ("ce_time", b"2026-11-23T12:00:00"), ("x-hop", b"many"), ("ce_id", b"\xff")],
)
def test_an_unreadable_header_is_rejected(name: str, value: bytes) -> None:
    headers = [(header, value if header == name else text) for header, text in an_envelope().headers()]

    with pytest.raises(Rejected, match="cannot be read"):
        read_envelope(headers, b"")


def test_a_child_keeps_the_trace_and_gets_a_span_of_its_own() -> None:
    parent = new_traceparent()
    child = child_traceparent(parent)

    assert child.split("-")[1] == parent.split("-")[1]
    assert child.split("-")[2] != parent.split("-")[2]
    assert child_traceparent("nonsense").count("-") == 3


def test_a_canonical_event_continues_the_trace_of_its_cause_without_its_further_headers() -> None:
    cause = replace(an_envelope("1001"), hop=2, extra={"x-cause": "drift", "x-shopify-topic": "orders/updated"})
    event = CanonicalEvent[CanonicalRecord](
        schema_name="a/1", connection="acme", entity="stock", source="shopify", key="7", version=cause.time,
        content_hash="h", lineage=(cause.id,), read_at=cause.time, record=CanonicalRecord(),
    )  # fmt: skip

    made = canonical_envelope(event, cause, event_id="e", source="shopify", kind="canonical.stock", extra={"x-a": "b"})

    assert (made.connection, made.entity, made.subject, made.time) == ("acme", "stock", "7", cause.time)
    assert (made.trace_id, made.hop, made.extra) == (cause.trace_id, 3, {"x-a": "b"})
    assert made.traceparent != cause.traceparent
    assert CanonicalEvent[CanonicalRecord].model_validate_json(made.body) == event


def test_a_header_that_an_envelope_has_itself_is_not_taken_from_the_further_ones() -> None:
    sent = replace(an_envelope("1001"), extra={"ce_id": "another", "x-a": "b"})

    assert [value for name, value in sent.headers() if name == "ce_id"] == [sent.id.encode()]
    assert read_envelope(sent.headers(), b"").extra == {"x-a": "b"}
