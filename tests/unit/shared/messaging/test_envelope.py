from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Rejected
from shared.messaging.envelope import Envelope, child_traceparent, new_traceparent, read_envelope
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
