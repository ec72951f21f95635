"""How a letter goes out again: to where it came from, as the event that it was. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

from shared.errors import Rejected
from shared.messaging.dead_letters.reader import DeadLetter
from shared.messaging.envelope import Headers
from shared.messaging.notice import asked_for

# A letter that came back so often will not be cured by one more time.
MOST_REPLAYS = 5


@dataclass(frozen=True, slots=True)
class Sending:
    """A record for the letter's original topic. `event_id` is the one that its end will be told of."""

    letter: DeadLetter
    topic: str
    key: bytes | None
    body: bytes
    headers: Headers
    event_id: str


def again(letter: DeadLetter, run: str, *, force: bool = False) -> Sending:
    """The same event once more. Raises Rejected, saying why not, for one that this cannot help."""
    if not letter.is_readable:
        raise Rejected("its headers cannot be read, so nobody can tell what it was: discard it")
    if letter.replays >= MOST_REPLAYS and not force:
        raise Rejected(f"it has come back {letter.replays} times: remove the cause first, or insist with --force")
    return _sending(letter, letter.body or b"", letter.event_id, run, ())


def edited(letter: DeadLetter, body: bytes, run: str) -> Sending:
    """Its event with another body: an event of its own, which says what it was made of. Raises Rejected."""
    if not letter.is_readable:
        raise Rejected("its headers cannot be read, so nobody can tell what it was: discard it")
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Rejected(f"the edited body is no JSON: {error}") from None
    if body == (letter.body or b""):
        raise Rejected("nothing was changed: use replay")
    # From what it says, so that the same edit twice is the same event.
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
    """The JSON body with one value set at `a.b.0.c`. Raises Rejected where there is no such place.

    Where a text stood, `value` is text; elsewhere it is JSON or, where it is none, text.
    """
    try:
        whole = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Rejected("the body is no JSON: give a whole new one with --body-file") from None
    *way, last = path.split(".")
    place: Any = whole
    for name in way:
        place = _inside(place, name, path)
    if isinstance(place, dict):
        place[last] = _value(value, place.get(last))
    elif isinstance(place, list) and last.isdigit() and int(last) < len(place):
        place[int(last)] = _value(value, place[int(last)])
    else:
        raise Rejected(f"there is no {path} in the body")
    return orjson.dumps(whole)


def _value(text: str, before: Any) -> Any:
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    # An SKU of digits is no number, and no amount of money is a float.
    return text if isinstance(before, str) and isinstance(read, int | float) else read


def _inside(place: Any, name: str, path: str) -> Any:
    if isinstance(place, dict) and name in place:
        return place[name]
    if isinstance(place, list) and name.isdigit() and int(name) < len(place):
        return place[int(name)]
    raise Rejected(f"there is no {path} in the body")
