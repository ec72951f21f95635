"""Hostile and broken input against the running system: a clear answer, a counted metric, nothing on the topic."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.entities.order.spec import RAW_SHOPIFY_ORDER
from shared.messaging.topics import DEAD_LETTERS, Topic
from tests.support.documents import a_document
from tests.support.stack import Bridge

SECRET = "sandbox-client-secret"
LARGEST = 8 * 1024 * 1024 - 64 * 1024
Headers = dict[str, str | None]


def signed(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


@dataclass
class Door:
    """The ingress of a running system, and the topic behind it."""

    bridge: Bridge
    consumer: AIOKafkaConsumer

    async def knock(self, body: bytes, headers: Headers | None = None, path: str = "", method: str = "POST") -> int:
        """Sends a webhook as Shopify would, except for `headers`; None takes one away. Its status."""
        usual: Headers = {
            "Content-Type": "application/json",
            "X-Shopify-Topic": "orders/create",
            "X-Shopify-Hmac-Sha256": signed(body),
            "X-Shopify-Shop-Domain": "sandbox.myshopify.com",
            "X-Shopify-Webhook-Id": "b1a2",
        }
        sent = {name: value for name, value in {**usual, **(headers or {})}.items() if value is not None}
        url = self.bridge.stack.ingress_url + (path or "/webhooks/shopify/main")
        async with self.bridge.session.request(
            method, url, data=io.BytesIO(body), headers=sent, skip_auto_headers=["Content-Type"]
        ) as response:
            return response.status

    async def refused(self, reason: str) -> float:
        return await self.bridge.metric("ingress", "events_failed_total", reason=reason)

    async def stored(self, topic: Topic = RAW_SHOPIFY_ORDER) -> int:
        """How many records the topic has taken so far."""
        ends = await self.consumer.end_offsets(self.partitions(topic))
        return sum(ends.values())

    def partitions(self, topic: Topic) -> list[TopicPartition]:
        name = self.name(topic)
        return [TopicPartition(name, number) for number in range(topic.partitions)]

    def name(self, topic: Topic) -> str:
        return self.bridge.stack.environ["TOPIC_PREFIX"] + topic.name


@pytest.fixture
async def door(bridge: Bridge) -> AsyncIterator[Door]:
    servers = bridge.stack.environ["KAFKA_BOOTSTRAP_SERVERS"]
    async with AIOKafkaConsumer(bootstrap_servers=servers, max_partition_fetch_bytes=16 * 1024 * 1024) as consumer:
        yield Door(bridge, consumer)


ORDER = orjson.dumps(a_document(2001))
ID = b'{"id": 6100000200100, '


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason"),
    [
        pytest.param(ORDER, {"X-Shopify-Hmac-Sha256": signed(ORDER, "guessed")}, 401, "bad_signature", id="forged"),
        pytest.param(ORDER, {"X-Shopify-Hmac-Sha256": signed(ORDER[:-1])}, 401, "bad_signature", id="altered"),
        pytest.param(ORDER, {"X-Shopify-Hmac-Sha256": "\u2603"}, 401, "bad_signature", id="signature is no base64"),
        pytest.param(ORDER, {"X-Shopify-Shop-Domain": "other.myshopify.com"}, 401, "wrong_shop", id="another shop's"),
        pytest.param(ORDER[:-200], {}, 400, "not_json", id="truncated"),
        pytest.param(b"", {}, 400, "not_json", id="empty"),
        pytest.param(b"[1]", {}, 400, "not_json", id="not an object"),
        pytest.param(b"x" * (LARGEST + 1), {}, 413, "too_large", id="oversized"),
        pytest.param(ID + b'"a":' + b"[" * 65 + b"]" * 65 + b"}", {}, 400, "not_json", id="nested too deeply"),
        pytest.param(ID + b'"a":' + b"[" * 90_000 + b"]" * 90_000 + b"}", {}, 400, "not_json", id="nested absurdly"),
        pytest.param(ID + b'"id": 2}', {}, 400, "not_json", id="a key twice"),
        pytest.param(ID + b'"total": NaN}', {}, 400, "not_json", id="NaN"),
        pytest.param(b'{"id": 12345678901234567890}', {}, 400, "not_json", id="an id of 20 digits"),
        pytest.param(b'{"id": "6100000200100"}', {}, 400, "bad_id", id="an id that is a text"),
        pytest.param(b'{"name": "#1001"}', {}, 400, "bad_id", id="no id"),
        pytest.param(ID + b'"note": "\xff\xfe"}', {}, 400, "not_json", id="invalid UTF-8"),
        pytest.param(ID + b'"note": "\\u0000"}', {}, 400, "not_json", id="NUL"),
        pytest.param(ORDER, {"Content-Type": "text/xml"}, 415, "wrong_content_type", id="wrong content type"),
        pytest.param(ORDER, {"Content-Type": None}, 415, "wrong_content_type", id="no content type"),
        pytest.param(ORDER, {"Content-Encoding": "gzip"}, 415, "wrong_content_type", id="encoded"),
        pytest.param(ORDER, {"X-Shopify-Topic": "app/uninstalled"}, 422, "unknown_topic", id="unknown topic"),
        pytest.param(ORDER, {"X-Shopify-Topic": None}, 400, "missing_header", id="no topic"),
        pytest.param(ORDER, {"X-Shopify-Hmac-Sha256": None}, 400, "missing_header", id="no signature"),
        pytest.param(ORDER, {"X-Shopify-Webhook-Id": "x" * 600}, 400, "bad_header", id="a header too long"),
    ],
)
async def test_what_is_refused_is_answered_counted_and_not_stored(
    door: Door, body: bytes, headers: Headers, status: int, reason: str
) -> None:
    stored, refused = await door.stored(), await door.refused(reason)
    answered = await door.knock(body, headers)

    assert answered == status
    assert await door.refused(reason) == refused + 1
    assert await door.stored() == stored


@pytest.mark.parametrize(
    ("path", "method", "status", "reason"),
    [
        pytest.param("/webhooks/shopify/nobody", "POST", 404, "unknown_connection", id="unknown connection"),
        pytest.param("/webhooks/shopify", "POST", 404, "unknown_path", id="unknown path"),
        pytest.param("/webhooks/shopify/main", "PUT", 405, "wrong_method", id="wrong method"),
        pytest.param("/webhooks/heartland/main/item_updated/guess", "POST", 401, "bad_signature", id="guessed token"),
    ],
)
async def test_what_comes_to_the_wrong_door_is_answered_and_counted(
    door: Door, path: str, method: str, status: int, reason: str
) -> None:
    refused = await door.refused(reason)
    answered = await door.knock(ORDER, path=path, method=method)

    assert answered == status
    assert await door.refused(reason) == refused + 1


async def test_a_sender_that_hangs_up_in_the_middle_of_a_body_is_counted_and_nothing_is_stored(door: Door) -> None:
    stored, refused = await door.stored(), await door.refused("cut_off")
    at = urlsplit(door.bridge.stack.ingress_url)
    _, writer = await asyncio.open_connection(at.hostname, at.port)
    head = (
        "POST /webhooks/shopify/main HTTP/1.1",
        f"Host: {at.netloc}",
        "Content-Type: application/json",
        "X-Shopify-Topic: orders/create",
        f"X-Shopify-Hmac-Sha256: {signed(ORDER)}",
        f"Content-Length: {len(ORDER)}",
    )
    writer.write("\r\n".join((*head, "", "")).encode() + ORDER[:100])
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    async def counted() -> bool:
        return await door.refused("cut_off") == refused + 1

    await door.bridge.until("the cut off body to be counted", counted)
    assert await door.stored() == stored


async def test_what_is_in_order_still_passes_after_all_that(door: Door) -> None:
    stored, taken = await door.stored(), await door.bridge.metric("ingress", "events_out_total")
    answered = await door.knock(b'{"id": 6100000299900}', {"X-Shopify-Topic": "orders/delete"})

    assert answered == 200
    assert await door.stored() == stored + 1
    assert await door.bridge.metric("ingress", "events_out_total") == taken + 1


async def test_poison_on_the_topic_itself_goes_to_the_dead_letters_as_it_was_while_others_flow(door: Door) -> None:
    poison = [
        (b"main|1", b"\x00\xffnot an event", [("x-made-up", b"\xff\xfe"), ("ce_id", b"p1")]),
        (b"main|2", b"{}", headers_for("not-a-number")),
        (None, b"", []),
    ]
    topic = DEAD_LETTERS["transformers"]
    before = await door.consumer.end_offsets(door.partitions(topic))
    await publish(door, poison)
    order_id = await door.bridge.post(a_document(next(door.bridge.numbers)))
    await door.bridge.in_heartland(order_id)
    letters = await read_on(door, topic, before, len(poison))

    assert {letter.value or b"" for letter in letters} == {body for _, body, _ in poison}
    for letter in letters:
        key, _, headers = next(row for row in poison if row[1] == (letter.value or b""))
        assert letter.key == key
        assert [pair for pair in letter.headers if not pair[0].startswith("x-dlq-")] == headers
        told = {name: value.decode() for name, value in letter.headers if name.startswith("x-dlq-")}
        assert told["x-dlq-orig-topic"] == door.name(RAW_SHOPIFY_ORDER)
        assert told["x-dlq-reason"]


def headers_for(subject: str) -> list[tuple[str, bytes]]:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"p2"),
        ("ce_source", b"shopify"),
        ("ce_type", b"shopify.orders/create"),
        ("ce_time", b"2026-11-20T10:00:00+00:00"),
        ("ce_subject", subject.encode()),
        ("x-connection", b"main"),
        ("x-entity", b"order"),
    ]


async def publish(door: Door, records: list[tuple[bytes | None, bytes, list[tuple[str, bytes]]]]) -> None:
    servers = door.bridge.stack.environ["KAFKA_BOOTSTRAP_SERVERS"]
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        for key, body, headers in records:
            await producer.send_and_wait(door.name(RAW_SHOPIFY_ORDER), body, key, headers=headers)


async def read_on(door: Door, topic: Topic, after: dict[TopicPartition, int], wanted: int) -> list[Any]:
    """The records of a topic from those offsets on, once there are that many."""
    door.consumer.assign(list(after))
    for partition, offset in after.items():
        door.consumer.seek(partition, offset)
    found = []
    async with asyncio.timeout(30):
        while len(found) < wanted:
            for records in (await door.consumer.getmany(timeout_ms=500)).values():
                found += records
    return found
