"""Parses strict JSON: documents that every parser downstream reads in the same way.

Besides invalid JSON it rejects: a repeated key in an object (parsers disagree on which one counts), nesting deeper than
64, whole numbers of more than 19 digits (some parsers round them silently), NaN and Infinity, NUL (PostgreSQL's text
cannot hold it), and a top level that is not an object.

Every webhook passes here, so the check has to be cheap. orjson parses the body and checks the grammar; then it
serializes the value again. If that gives the same bytes (apart from white space and needless escapes), nothing was lost
in parsing: no key was dropped and no number was rounded. A body that differs is not invalid: it takes the exact and
slower check. A parser that rejects repeated keys itself (jiter) takes twice as long as both steps together.
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
# Characters that Shopify escapes needlessly; orjson writes them plain.
_SHOPIFY_ESCAPES = ((b"/", b"\\/"), (b"&", b"\\u0026"), (b"<", b"\\u003c"), (b">", b"\\u003e"))

# orjson parses no deeper than this, so nothing deeper has to be serialized.
_ORJSON_DEPTH = 1_024

Json = dict[str, Any]
Container = dict[str, Any] | list[Any]


class NotStrictJson(ValueError):
    """The body is not strict JSON; the message says why, without quoting it."""


class StrictJsonReader:
    """Parses strict JSON. Not thread-safe: `read` changes a list that all calls share."""

    def __init__(self) -> None:
        # orjson's own nesting limit is lowered to ours by serializing the value inside this many lists: a fifth of the
        # cost of walking through it.
        self._wraps = _deepest() - MAX_DEPTH
        self._innermost: list[object] = [None]
        self._outer = self._innermost
        for _ in range(self._wraps - 1):
            self._outer = [self._outer]

    def read(self, body: bytes) -> Json:
        """Parse the object in `body`. Raises NotStrictJson."""
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise NotStrictJson("it is not valid JSON in UTF-8") from None
        if type(value) is not dict:
            raise NotStrictJson("the top level is not an object")
        written = self._written(value)
        if written is None or not _is_equivalent(body, written):
            _check(body, value)
        return value

    def _written(self, value: Json) -> bytes | None:
        """`value` serialized by orjson; None if it is nested too deeply or has an integer beyond 53 bits."""
        self._innermost[0] = value
        try:
            return orjson.dumps(self._outer, option=orjson.OPT_STRICT_INTEGER)[self._wraps : -self._wraps]
        except orjson.JSONEncodeError:
            return None
        finally:
            self._innermost[0] = None


def _deepest() -> int:
    """The largest number of nested lists that orjson serializes."""
    value: list[object] = []
    depth = 0
    while depth < _ORJSON_DEPTH and _can_write(value):
        value, depth = [value], depth + 1
    return depth


def _can_write(value: object) -> bool:
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return False
    return True


def _is_equivalent(body: bytes, written: bytes) -> bool:
    """Whether `body` differs from orjson's output only in white space and needless escapes."""
    if b"\\" in written and b"\\u0000" in written:
        return False
    if body == written or body == _as_shopify(written):
        return True
    plain = _unescaped(body) if b"\\" in body else body
    return plain.translate(None, _WHITE) == written.translate(None, _WHITE)


def _as_shopify(written: bytes) -> bytes:
    for letter, escaped in _SHOPIFY_ESCAPES:
        written = written.replace(letter, escaped)
    return written


def _unescaped(body: bytes) -> bytes:
    """`body` with needless escapes replaced by their characters.

    Empty if it contains an escaped backslash, since what follows that is no escape.

    No quote, backslash or control character is unescaped, so the tokens stay the same.
    """
    head, *pieces = body.split(b"\\")
    if b"" in pieces:  # an escaped backslash: what follows is no escape
        return b""
    return head + b"".join([piece if piece[:1] == b"/" else _letter(piece) for piece in pieces])


def _letter(piece: bytes) -> bytes:
    """The text after a backslash, with its escape replaced by the character, or unchanged."""
    if piece[:1] != b"u":
        return b"\\" + piece
    point = int(piece[1:5], 16)
    if point < 0x20 or point in _MUST_BE_ESCAPED or 0xD800 <= point < 0xE000:
        return b"\\" + piece
    return chr(point).encode() + piece[5:]


def _check(body: bytes, value: Json) -> None:
    """The exact, slower check. Raises NotStrictJson."""
    if _depth(value) > MAX_DEPTH:
        raise NotStrictJson(f"it is nested deeper than {MAX_DEPTH}")
    json.loads(body, object_pairs_hook=_object, parse_int=_whole)
    if any("\0" in text for text in _texts(value)):
        raise NotStrictJson("it contains NUL")


def _levels(value: Json) -> Iterator[list[Container]]:
    """The containers of `value`, level by level; iterative, so that no nesting can exhaust the stack."""
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
        raise NotStrictJson("a key is repeated in one object")
    return found


def _whole(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_DIGITS:
        raise NotStrictJson(f"a whole number has more than {MAX_DIGITS} digits")
    return int(digits)
