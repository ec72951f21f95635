from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Rejected
from shared.messaging.envelope import read_envelope
from shared.operations.dead_letters.resend import MOST_REPLAYS, again, changed, edited
from tests.unit.shared.operations.dead_letters.letters import a_letter


def test_a_replay_is_the_same_event_on_its_original_topic() -> None:
    letter = a_letter()
    sending = again(letter, "run-1")

    envelope = read_envelope(sending.headers, sending.body)
    assert (sending.topic, sending.key, sending.body) == ("p.canonical.order", letter.key, letter.body)
    assert envelope.id == letter.event_id == sending.event_id
    assert not any(name.startswith("x-dlq-") for name, _ in sending.headers)
    assert dict(envelope.extra) == {
        "x-replay-id": "run-1",
        "x-replay-count": "1",
        "x-priority": "repair",
        "x-cause": "replay",
    }


def test_a_letter_that_came_back_says_how_often_and_only_once() -> None:
    sending = again(a_letter(replays=2), "run-3")

    assert [value for name, value in sending.headers if name == "x-replay-count"] == [b"3"]
    assert [value for name, value in sending.headers if name == "x-replay-id"] == [b"run-3"]


def test_what_came_back_too_often_needs_force() -> None:
    letter = a_letter(replays=MOST_REPLAYS)
    with pytest.raises(Rejected, match="failed after 5 replays"):
        again(letter, "run")

    assert again(letter, "run", force=True).event_id == letter.event_id


def test_what_nobody_can_read_is_not_sent_again() -> None:
    with pytest.raises(Rejected, match="cannot be read"):
        again(a_letter(error_class="Unreadable"), "run")


def test_an_edit_is_an_event_of_its_own_and_the_same_edit_the_same_event() -> None:
    letter = a_letter()
    first, second = edited(letter, b'{"a": 1}', "r1"), edited(letter, b'{"a": 1}', "r2")

    assert first.event_id == second.event_id != letter.event_id
    assert dict(first.headers)["x-edited-from"] == letter.event_id.encode()
    assert [value for name, value in first.headers if name == "ce_id"] == [first.event_id.encode()]


@pytest.mark.parametrize("body", [b"{", b'{"name": "#1001"}'], ids=["no JSON", "nothing changed"])
def test_an_edit_that_makes_no_sense_is_refused(body: bytes) -> None:
    with pytest.raises(Rejected):
        edited(a_letter(), body, "r")


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("a", "2", {"a": 2, "b": [{"c": "x"}]}),
        ("b.0.c", "TEE", {"a": 1, "b": [{"c": "TEE"}]}),
        ("b.0.d", '"7"', {"a": 1, "b": [{"c": "x", "d": "7"}]}),
        ("b.0", "null", {"a": 1, "b": [None]}),
    ],
)
def test_one_value_is_set(path: str, value: str, expected: object) -> None:
    assert json.loads(changed(b'{"a": 1, "b": [{"c": "x"}]}', path, value)) == expected


@pytest.mark.parametrize("value", ["12345", "12.50", "true", "1e5"])
def test_where_a_text_stood_comes_a_text(value: str) -> None:
    """An SKU of digits is no number, and money is never a float."""
    assert json.loads(changed(b'{"a": "x"}', "a", value)) == {"a": value}
    assert json.loads(changed(b'{"a": "x"}', "a", "null")) == {"a": None}
    assert json.loads(changed(b'{"a": "x"}', "a", '"y"')) == {"a": "y"}


@pytest.mark.parametrize("path", ["z.y", "b.7.c", "b.7", "a.x"])
def test_a_place_that_is_not_there_is_said(path: str) -> None:
    with pytest.raises(Rejected, match=path):
        changed(b'{"a": 1, "b": [{"c": "x"}]}', path, "1")


@given(st.dictionaries(st.text(min_size=1), st.integers() | st.text(), min_size=1))
def test_setting_a_value_leaves_all_others(body: dict[str, object]) -> None:
    body = {name: value for name, value in body.items() if not isinstance(value, int) or abs(value) < 2**53}
    after = json.loads(changed(json.dumps(body).encode(), "ours", "true"))

    assert after == {**body, "ours": True}
