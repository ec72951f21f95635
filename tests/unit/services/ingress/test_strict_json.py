"""Strict JSON: what is refused, and that the cheap proof never says yes where the exact one says no."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingress import strict_json
from services.ingress.strict_json import MAX_DEPTH, NotStrictJson, StrictJsonReader
from services.sandbox.demo.orders import encode, order
from tests.support.samples import sample, sample_names

READER = StrictJsonReader()


def nested(depth: int, opening: str, closing: str) -> bytes:
    return ('{"a":' + opening * (depth - 1) + closing * (depth - 1) + "}").encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b'{"a":1', id="cut off"),
        pytest.param(b'{"a":1}x', id="something after the end"),
        pytest.param(b'{"a":"\xff"}', id="not UTF-8"),
        pytest.param(b"\xef\xbb\xbf{}", id="a byte order mark"),
        pytest.param(b'{"a":NaN}', id="NaN"),
        pytest.param(b'{"a":Infinity}', id="Infinity"),
        pytest.param(b'{"a":1e999}', id="a number without end"),
        pytest.param(b'{"a":"\\ud800"}', id="half a surrogate pair"),
        pytest.param(b"[]", id="a list on top"),
        pytest.param(b"1", id="a number on top"),
        pytest.param(b'{"a":1,"a":2}', id="a key twice"),
        pytest.param(b'{"a":1,"\\u0061":2}', id="a key twice, once escaped"),
        pytest.param(b'{"a":1,"b":{"c":[{"d":1,"d":1}]}}', id="a key twice, deep inside"),
        pytest.param(b'{"a" :1,"a":2,"b" : 3}', id="a key twice among white space"),
        pytest.param(b'{"a":1,"a":2,"b":"x\\u0022\\u003a"}', id="a key twice beside escaped quotes"),
        pytest.param(b'{"id":12345678901234567890}', id="20 digits"),
        pytest.param(b'{"id":-12345678901234567890}', id="minus and 20 digits"),
        pytest.param(b'{"a":[' + b"9" * 5000 + b"]}", id="5000 digits"),
        pytest.param(b'{"id":18446744073709551615}', id="20 digits that fit into 64 bits"),
        pytest.param(b'{"a":"\\u0000"}', id="NUL in a text"),
        pytest.param(b'{"\\u0000":1}', id="NUL in a key"),
        pytest.param(b'{"a":[["x\\u0000"]]}', id="NUL in a list"),
        pytest.param(nested(MAX_DEPTH + 1, "[", "]"), id="65 lists deep"),
        pytest.param(nested(MAX_DEPTH + 1, '{"a":', "1}").replace(b"a", b"b"), id="65 objects deep"),
        pytest.param(nested(200_000, "[", "]"), id="200000 deep"),
        pytest.param(b"[" * 200_000, id="200000 deep and never closed"),
    ],
)
def test_refused(body: bytes) -> None:
    with pytest.raises(NotStrictJson):
        READER.read(body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{}", id="empty"),
        pytest.param(b' { "a" : [ 1 , 2 ] }\n', id="white space"),
        pytest.param(b'{"a":"\\/ \\u0026 \\u003c \\u00e9 \\u00E9 \\n \\" \\\\ \\\\/ \\\\u0026"}', id="escapes"),
        pytest.param(b'{"a":"\\ud83d\\ude00 \xf0\x9f\x98\x80"}', id="beyond 16 bits"),
        pytest.param(b'{"a":"\\\\u0000"}', id="a backslash and u0000, which is no NUL"),
        pytest.param(b'{"a":1.50,"b":1E2,"c":-0,"d":1e-7}', id="numbers written otherwise"),
        pytest.param(b'{"id":9999999999999999999}', id="19 digits"),
        pytest.param(b'{"a":"12345678901234567890"}', id="20 digits in a text"),
        pytest.param(b'{"a":{"a":1},"b":[{"a":1},{"a":1}]}', id="the same key in different objects"),
        pytest.param(nested(MAX_DEPTH, "[", "]"), id="64 deep"),
        pytest.param(nested(MAX_DEPTH, "[", "]") + b" ", id="64 deep, the exact way"),
    ],
)
def test_accepted(body: bytes) -> None:
    assert READER.read(body) == json.loads(body)


def test_a_refusal_never_quotes_the_body() -> None:
    with pytest.raises(NotStrictJson) as refused:
        READER.read(b'{"secret":1,"secret":2}')

    assert "secret" not in str(refused.value)


def test_an_ordinary_webhook_takes_the_cheap_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def exact(*_: object) -> None:
        raise AssertionError("the exact check ran")

    monkeypatch.setattr(strict_json, "_check", exact)
    documents = [order(3, number, datetime(2026, 3, 1, tzinfo=UTC)) for number in range(1001, 1041)]

    for document in documents:
        assert READER.read(encode(document)) == document
        assert READER.read(json.dumps(document).encode()) == document
        assert READER.read(json.dumps(document, indent=2, ensure_ascii=False).encode()) == document


@pytest.mark.parametrize("name", sample_names("shopify"))
def test_every_sample_is_strict(name: str) -> None:
    assert READER.read(sample("shopify", name))


# Differential: an independent reading of the same rules, with nothing but the standard library.


def reference(body: bytes) -> Any:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({key for key, _ in found}) == len(found)
        return dict(found)

    def whole(digits: str) -> int:
        assert len(digits.lstrip("-")) <= 19
        return int(digits)

    def never(_: str) -> float:
        raise AssertionError

    value = json.loads(body.decode(), object_pairs_hook=pairs, parse_int=whole, parse_constant=never)
    assert isinstance(value, dict)
    assert "\0" not in json.dumps(value, ensure_ascii=False).replace("\\\\", "").replace("\\u0000", "\0")
    return value


TEXT = st.text(alphabet=st.one_of(st.sampled_from('ab"\\/:&é,{}[] \n\t\0'), st.characters(codec="utf-8")), max_size=6)
LEAVES = st.none() | st.booleans() | st.integers(-(10**21), 10**21) | st.floats(allow_nan=False, width=32) | TEXT


class Twice(list[tuple[str, Any]]):
    """An object with its keys as they are written, repeated ones too."""


def written(value: Any, draw: Any) -> str:
    """`value` as JSON, with white space and escapes drawn at random."""
    space = draw(st.sampled_from(("", "", " ", "\n", "\t ")))
    if isinstance(value, Twice):
        inner = ",".join(f"{text(k, draw)}{space}:{space}{written(v, draw)}" for k, v in value)
        return f"{{{space}{inner}}}{space}"
    if isinstance(value, list):
        return f"[{space}{','.join(written(part, draw) for part in value)}{space}]"
    return text(value, draw) if isinstance(value, str) else json.dumps(value)


def text(value: str, draw: Any) -> str:
    style = draw(st.sampled_from(("plain", "ascii", "slashes", "all")))
    if style == "all":
        units = value.encode("utf-16-be")
        return '"' + "".join(f"\\u{units[i]:02x}{units[i + 1]:02X}" for i in range(0, len(units), 2)) + '"'
    plain = json.dumps(value, ensure_ascii=style == "ascii")
    return plain.replace("/", "\\/") if style == "slashes" else plain


VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.lists(st.tuples(TEXT, inner), max_size=5).map(Twice),
    max_leaves=12,
)


@given(st.data(), st.lists(st.tuples(TEXT, VALUES), max_size=5).map(Twice))
def test_it_agrees_with_an_independent_reading(data: st.DataObject, value: Twice) -> None:
    body = written(value, data.draw).encode()
    try:
        expected = reference(body)
    except AssertionError:
        with pytest.raises(NotStrictJson):
            READER.read(body)
    else:
        assert READER.read(body) == expected


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        value = READER.read(body)
    except NotStrictJson:
        return
    assert value == orjson.loads(body)


@given(
    st.lists(
        st.sampled_from([b'{"a":', b'"a"', b":", b",", b"1", b"}", b"{", b'"', b"\\", b"u0022", b" "]), max_size=14
    )
)
def test_fragments_of_json_are_read_as_the_standard_library_does(pieces: list[bytes]) -> None:
    body = b"".join(itertools.chain([b"{"], pieces, [b"}"]))
    try:
        expected = reference(body)
    except (ValueError, AssertionError):
        with pytest.raises(NotStrictJson):
            READER.read(body)
    else:
        assert READER.read(body) == expected
