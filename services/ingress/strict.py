"""Strict JSON: what every reader downstream will understand in the same way.

Refused beyond the grammar: a key twice in an object (readers disagree on which one counts), nesting deeper than 64,
whole numbers of more than 19 digits (some parsers round them without a word), NaN and Infinity, NUL (PostgreSQL's
text cannot hold it), and a top level that is not an object.

Every webhook passes here, so the proof has to be cheap. orjson parses and checks the grammar; then it writes the value
out again. If that gives the bytes we started from (but for white space, and for escapes of letters that need none),
then the value says all that the body says: no key was dropped and no number was rounded. A body that does not come
out alike is not wrong: it takes the exact and slower check.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

MAX_DEPTH = 64
MAX_DIGITS = 19
_WHITE = b" \t\r\n"
_MUST_BE_ESCAPED = frozenset(b'"\\')
# Letters that Shopify escapes although nothing asks for it; orjson writes them plain.
_SHOPIFYS = ((b"/", b"\\/"), (b"&", b"\\u0026"), (b"<", b"\\u003c"), (b">", b"\\u003e"))

# orjson reads no deeper than this, so nothing deeper has to be written.
_LIMIT_OF_READING = 1_024

Json = dict[str, Any]
Container = dict[str, Any] | list[Any]


class NotStrict(ValueError):
    """The body is not strict JSON; the message says why, without quoting it."""


class StrictReader:
    """Reads strict JSON. Not for use by two threads at a time: it keeps a scratch value."""

    def __init__(self) -> None:
        # orjson's own limit of nesting, brought down to ours by writing the value inside this many lists: that costs
        # a fifth of walking through it.
        self._wraps = _deepest() - MAX_DEPTH
        self._innermost: list[object] = [None]
        self._outer = self._innermost
        for _ in range(self._wraps - 1):
            self._outer = [self._outer]

    def read(self, body: bytes) -> Json:
        """The object in `body`. Raises NotStrict."""
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise NotStrict("it is not valid JSON in UTF-8") from None
        if type(value) is not dict:
            raise NotStrict("the top level is not an object")
        written = self._written(value)
        if written is None or not _says_the_same(body, written):
            _check(body, value)
        return value

    def _written(self, value: Json) -> bytes | None:
        """`value` as orjson writes it; None when it is nested too deeply or has a whole number beyond 53 bits."""
        self._innermost[0] = value
        try:
            return orjson.dumps(self._outer, option=orjson.OPT_STRICT_INTEGER)[self._wraps : -self._wraps]
        except orjson.JSONEncodeError:
            return None
        finally:
            self._innermost[0] = None


def _deepest() -> int:
    """How many lists in each other orjson writes before it refuses."""
    value: list[object] = []
    depth = 0
    while depth < _LIMIT_OF_READING and _can_write(value):
        value, depth = [value], depth + 1
    return depth


def _can_write(value: object) -> bool:
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return False
    return True


def _says_the_same(body: bytes, written: bytes) -> bool:
    """Whether `body` differs from what orjson wrote in nothing but white space and needless escapes."""
    if b"\\" in written and b"\\u0000" in written:
        return False
    if body == written or body == _as_shopify(written):
        return True
    plain = _unescaped(body) if b"\\" in body else body
    return plain.translate(None, _WHITE) == written.translate(None, _WHITE)


def _as_shopify(written: bytes) -> bytes:
    for letter, escaped in _SHOPIFYS:
        written = written.replace(letter, escaped)
    return written


def _unescaped(body: bytes) -> bytes:
    """`body` with those letters plain that need no escape: no quote, backslash or control character among them, so the
    tokens stay the same. What it does not understand comes out unlike anything that orjson writes.
    """
    head, *pieces = body.split(b"\\")
    if b"" in pieces:  # an escaped backslash: what follows it is no escape
        return b""
    return head + b"".join([piece if piece[:1] == b"/" else _letter(piece) for piece in pieces])


def _letter(piece: bytes) -> bytes:
    """What stood behind a backslash, with the letter that the escape means, or as it was."""
    if piece[:1] != b"u":
        return b"\\" + piece
    point = int(piece[1:5], 16)
    if point < 0x20 or point in _MUST_BE_ESCAPED or 0xD800 <= point < 0xE000:
        return b"\\" + piece
    return chr(point).encode() + piece[5:]


def _check(body: bytes, value: Json) -> None:
    """The exact way: raises NotStrict."""
    if _depth(value) > MAX_DEPTH:
        raise NotStrict(f"it is nested deeper than {MAX_DEPTH}")
    json.loads(body, object_pairs_hook=_object, parse_int=_whole)
    if any("\0" in text for text in _texts(value)):
        raise NotStrict("it contains NUL")


def _levels(value: Json) -> Iterator[list[Container]]:
    """The containers of `value`, one level of nesting after the other; no recursion, so no limit."""
    level: list[Container] = [value]
    while level:
        yield level
        level = [part for container in level for part in _parts(container) if isinstance(part, (dict, list))]


def _parts(container: Container) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def _depth(value: Json) -> int:
    return sum(1 for _ in _levels(value))


def _texts(value: Json) -> Iterator[str]:
    for level in _levels(value):
        for container in level:
            yield from (part for part in (*container, *_parts(container)) if isinstance(part, str))


def _object(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotStrict("a key stands twice in one object")
    return found


def _whole(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_DIGITS:
        raise NotStrict(f"a whole number has more than {MAX_DIGITS} digits")
    return int(digits)
