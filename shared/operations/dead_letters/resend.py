"""Builds the record that resends a dead letter: same topic, same event, marked as a replay. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

from shared.errors import Rejected
from shared.messaging.dead_letters.reader import DeadLetter
from shared.messaging.envelope import Headers
from shared.messaging.notice import asked_for

# After so many failed replays another one will not help.
MOST_REPLAYS = 5


@dataclass(frozen=True, slots=True)
class Sending:
    """A record for the letter's original topic. The journal records its outcome under `event_id`."""

    letter: DeadLetter
    topic: str
    key: bytes | None
    body: bytes
    headers: Headers
    event_id: str


def again(letter: DeadLetter, run: str, *, force: bool = False) -> Sending:
    """The same event once more. Raises Rejected, with the reason, if that cannot help."""
    if not letter.is_readable:
        raise Rejected("its headers cannot be read, so its event is unknown: discard it")
    if letter.replays >= MOST_REPLAYS and not force:
        raise Rejected(f"it failed after {letter.replays} replays: remove the cause first, or replay it with --force")
    return _sending(letter, letter.body or b"", letter.event_id, run, ())


def edited(letter: DeadLetter, body: bytes, run: str) -> Sending:
    """Its event with another body: a new event that names the original. Raises Rejected."""
    if not letter.is_readable:
        raise Rejected("its headers cannot be read, so its event is unknown: discard it")
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Rejected(f"the edited body is not JSON, nothing was sent: {error}") from None
    if body == (letter.body or b""):
        raise Rejected("nothing was changed, nothing was sent: to send it unchanged, use `tillbridge dlq replay`")
    # Derived from the body, so that the same edit twice is the same event.
    event_id = f"{letter.event_id}:edit:{digest(body)[:12]}"
    return _sending(letter, body, event_id, run, (("x-edited-from", letter.event_id.encode()),))


def _sending(letter: DeadLetter, body: bytes, event_id: str, run: str, more: tuple[tuple[str, bytes], ...]) -> Sending:
    headers = [(name, value) for name, value in letter.original_headers() if name != "ce_id"]
    ours = (
        ("x-replay-id", run.encode()),
        ("x-replay-count", str(letter.replays + 1).encode()),
        *((name, value.encode()) for name, value in asked_for("replay").items()),
    )
    return Sending(
        letter, letter.origin[0], letter.key, body, [("ce_id", event_id.encode()), *headers, *ours, *more], event_id
    )


def digest(body: bytes | None) -> str:
    return hashlib.sha256(body or b"").hexdigest()


def changed(body: bytes, path: str, value: str) -> bytes:
    """The JSON body with one value set at `a.b.0.c`. Raises Rejected if there is no such path.

    Where the old value is text, `value` is text; elsewhere it is JSON or, if it is not JSON, text.
    """
    try:
        whole = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Rejected("the body is not JSON: give a whole new body with --body-file") from None
    *way, last = path.split(".")
    place: Any = whole
    for name in way:
        place = _inside(place, name, path)
    if isinstance(place, dict):
        place[last] = _value(value, place.get(last))
    elif isinstance(place, list) and last.isdigit() and int(last) < len(place):
        place[int(last)] = _value(value, place[int(last)])
    else:
        raise Rejected(f"the body has no {path}: `tillbridge dlq show --body` shows it")
    return orjson.dumps(whole)


def _value(text: str, before: Any) -> Any:
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    # A SKU of digits stays text, and money never becomes a float.
    return text if isinstance(before, str) and isinstance(read, int | float) else read


def _inside(place: Any, name: str, path: str) -> Any:
    if isinstance(place, dict) and name in place:
        return place[name]
    if isinstance(place, list) and name.isdigit() and int(name) < len(place):
        return place[int(name)]
    raise Rejected(f"the body has no {path}: `tillbridge dlq show --body` shows it")
