"""Whatever is sent: never an answer of 5xx, and nothing published unless the answer was 200."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from shared.connectors.shopify.signature import sign
from shared.entities.table import webhooks
from tests.support.ingress import SECRET, TOKEN, Broker, parts, signed


class Content:
    """A body that has arrived."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def is_eof(self) -> bool:
        return True

    def read_nowait(self) -> bytes:
        return self.body


class Request:
    """What ingress looks at of a request."""

    method = "POST"
    keep_alive = True
    remote = "192.0.2.7"

    def __init__(self, path: str, headers: list[tuple[str, str]], body: bytes) -> None:
        self.raw_path = path
        self.headers = CIMultiDictProxy(CIMultiDict(headers))
        self.raw_headers = tuple((n.encode(), v.encode("utf-8", "surrogateescape")) for n, v in headers)
        self.content_length = len(body)
        self.content = Content(body)


def answer(path: str, headers: list[tuple[str, str]], body: bytes) -> tuple[int, Broker]:
    ingress, broker, _, _ = parts()
    response = asyncio.run(ingress.handle(Request(path, headers, body)))  # type: ignore[arg-type]
    return response.status, broker


def check(status: int, broker: Broker, body: bytes) -> None:
    assert status < 500
    assert len(broker.sent) == (1 if status == 200 else 0)
    for envelope in broker.envelopes():
        assert envelope.body == body
        assert envelope.subject.isdecimal()
        assert "\0" not in str(json.loads(body))


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
KEYS = st.sampled_from(("id", "order_id", "order_edit", "note")) | st.text(max_size=4)
TREES = st.recursive(LEAVES, lambda x: st.lists(x, max_size=4) | st.dictionaries(KEYS, x, max_size=5), max_leaves=20)
DOCUMENTS = st.dictionaries(KEYS, TREES, max_size=6) | TREES
TOPICS = st.sampled_from((*webhooks("shopify"), "orders/other"))


@given(st.binary(max_size=300), TOPICS)
def test_any_signed_bytes(body: bytes, topic: str) -> None:
    status, broker = answer("/webhooks/shopify/main", list(signed(body, topic=topic).items()), body)

    check(status, broker, body)


@given(DOCUMENTS, TOPICS, st.booleans())
def test_any_signed_json(value: Any, topic: str, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    status, broker = answer("/webhooks/shopify/main", list(signed(body, topic=topic).items()), body)

    check(status, broker, body)


@given(DOCUMENTS)
def test_any_json_as_a_hook(value: Any) -> None:
    body = json.dumps(value).encode()
    path = f"/webhooks/heartland/main/item_updated/{TOKEN}"
    status, broker = answer(path, [("Content-Type", "application/json")], body)

    check(status, broker, body)


HEADER_NAMES = st.sampled_from([*signed(b"{}"), "traceparent", "Content-Encoding", "X-Shopify-Name", "Expect"])
# What aiohttp hands on: UTF-8, with lone bytes as surrogates.
HEADER_VALUES = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20) | st.just(
    "\udcff"
)


@given(st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), max_size=4), st.sets(st.sampled_from(list(signed(b"{}")))))
@settings(max_examples=300)
def test_any_headers(changed: list[tuple[str, str]], dropped: set[str]) -> None:
    body = b'{"id":1}'
    headers = [(name, value) for name, value in signed(body).items() if name not in dropped]
    status, broker = answer("/webhooks/shopify/main", headers + changed, body)

    check(status, broker, body)


@given(st.lists(st.text(st.characters(codec="ascii"), max_size=6), max_size=7))
def test_any_address(pieces: list[str]) -> None:
    body = b'{"id":1}'
    status, broker = answer("/" + "/".join(["webhooks", *pieces]), list(signed(body).items()), body)

    check(status, broker, body)


@given(st.binary(max_size=80), st.binary(max_size=40))
def test_a_forged_signature_never_passes(body: bytes, guess: bytes) -> None:
    headers = signed(body) | {"X-Shopify-Hmac-Sha256": guess.hex() or sign(body, SECRET + "x")}

    assert answer("/webhooks/shopify/main", list(headers.items()), body)[0] == 401
