"""Ingress over real HTTP: what is taken, what is refused, and what is told about it. The broker is a list."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from shared.connectors.shopify.signature import sign
from shared.entities.order.spec import RAW_SHOPIFY_ORDER
from tests.support.ingress import (
    PREVIOUS,
    PREVIOUS_TOKEN,
    SECRET,
    TOKEN,
    RunningIngress,
    a_connection,
    an_ingress,
    signed,
)

BODY = b'{"id":450789469,"name":"#1001","note":"caf\xc3\xa9 \\u0026 co","url":"https:\\/\\/a.test\\/x"}'
SHOPIFY = "/webhooks/shopify/main"
ITEM = b'{"id":100310,"publicId":"TEE-NVY-M"}'
HOOK = f"/webhooks/heartland/main/item_updated/{TOKEN}"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def place() -> AsyncIterator[RunningIngress]:
    async with an_ingress(ingress_max_body_bytes=4096, ingress_body_timeout_seconds=0.3) as served:
        yield served


async def post(place: RunningIngress, path: str, body: Any, headers: dict[str, str]) -> tuple[int, str, dict[str, str]]:
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.post(place.url + path, data=body, headers=headers) as response,
    ):
        return response.status, await response.text(), dict(response.headers)


async def raw(place: RunningIngress, data: bytes, *, end: bool = False, whole: bool = False) -> bytes:
    """What comes back for these bytes on a connection of their own; `whole`: until it is closed."""
    host, port = place.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(data)
        if end:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(-1 if whole else 4096), 10)
    finally:
        writer.close()


def request(headers: dict[str, str], body: bytes, path: str = SHOPIFY) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def test_a_delivery_is_published_unchanged_before_it_is_answered(place: RunningIngress) -> None:
    status, _, _ = await post(place, SHOPIFY, BODY, signed(BODY))

    assert status == 200
    [(topic, key, value, _)] = place.broker.sent
    assert (topic, key, value) == ("t.raw.shopify.order", b"main|450789469", BODY)


async def test_answers_on_one_connection_are_whole_and_dated(place: RunningIngress) -> None:
    one = request(signed(BODY) | {"Content-Length": str(len(BODY))}, BODY)
    last = request(signed(BODY) | {"Content-Length": str(len(BODY)), "Connection": "close"}, BODY)

    answers = await raw(place, one + one + last, whole=True)
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert answers.count(b"Date: Sun, 01 Mar 2026 12:00:00 GMT\r\n\r\n") == 2
    assert len(place.broker.sent) == 3


async def test_the_envelope_tells_what_the_sender_told(place: RunningIngress) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await post(place, SHOPIFY, BODY, signed(BODY, traceparent=trace))

    [envelope] = place.broker.envelopes()
    assert (envelope.id, envelope.source, envelope.type) == ("w-1", "shopify", "shopify.orders/create")
    assert (envelope.connection, envelope.entity, envelope.subject) == ("main", "order", "450789469")
    assert envelope.time == datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)
    assert envelope.traceparent == trace
    assert envelope.extra == {
        "x-shopify-topic": "orders/create",
        "x-shopify-event-id": "e-1",
        "x-shopify-triggered-at": "2026-11-20T10:00:00.123456Z",
        "x-shopify-api-version": "2026-10",
    }


@pytest.mark.parametrize(
    ("topic", "body", "subject"),
    [
        ("orders/create", b'{"id":1}', "1"),
        ("orders/delete", b'{"id":2}', "2"),
        ("orders/edited", b'{"order_edit":{"id":7,"order_id":3}}', "3"),
        ("refunds/create", b'{"id":7,"order_id":4}', "4"),
        ("order_transactions/create", b'{"id":7,"order_id":5}', "5"),
        ("fulfillments/update", b'{"id":7,"order_id":9999999999999999999}', "9999999999999999999"),
    ],
)
async def test_everything_of_an_order_travels_under_its_id(
    place: RunningIngress, topic: str, body: bytes, subject: str
) -> None:
    status, _, _ = await post(place, SHOPIFY, body, signed(body, topic=topic))

    assert status == 200
    assert place.broker.sent[0][0] == "t." + RAW_SHOPIFY_ORDER.name
    assert place.broker.envelopes()[0].subject == subject


async def test_during_a_rotation_both_secrets_sign(place: RunningIngress) -> None:
    statuses = [(await post(place, SHOPIFY, BODY, signed(BODY, secret)))[0] for secret in (SECRET, PREVIOUS, "other")]

    assert statuses == [200, 200, 401]


async def test_a_secret_that_was_rotated_away_stops_working(place: RunningIngress) -> None:
    await post(place, SHOPIFY, BODY, signed(BODY, PREVIOUS))
    rotated = a_connection()
    rotated.credentials["shopify"].pop("previous_client_secret")
    place.connections["main"] = rotated

    status, _, _ = await post(place, SHOPIFY, BODY, signed(BODY, PREVIOUS))
    assert status == 401


async def test_a_delivery_without_an_id_of_its_own_gets_one_from_its_body(place: RunningIngress) -> None:
    for body in (BODY, BODY, b'{"id":1}'):
        headers = signed(body)
        del headers["X-Shopify-Webhook-Id"]
        assert (await post(place, SHOPIFY, body, headers))[0] == 200

    first, again, other = (envelope.id for envelope in place.broker.envelopes())
    assert first == again != other


@pytest.mark.parametrize("nonsense", ["yesterday", "2026-99-99T00:00:00Z", "9" * 40])
async def test_a_time_that_is_none_is_replaced_by_the_receipt(place: RunningIngress, nonsense: str) -> None:
    await post(place, SHOPIFY, BODY, signed(BODY, X_Shopify_Triggered_At=nonsense))

    assert place.broker.envelopes()[0].time == datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("nonsense", ["", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "00-xyz", "x" * 55])
async def test_a_traceparent_that_is_none_is_replaced(place: RunningIngress, nonsense: str) -> None:
    await post(place, SHOPIFY, BODY, signed(BODY, traceparent=nonsense))

    trace_id = place.broker.envelopes()[0].trace_id
    assert len(trace_id) == 32
    assert trace_id not in ("0" * 32, "x" * 32)


def without(name: str) -> dict[str, str]:
    return {header: value for header, value in signed(BODY).items() if header != name}


REFUSALS = [
    pytest.param("/webhooks/shopify/nobody", BODY, signed(BODY), 404, "unknown_connection", id="unknown connection"),
    pytest.param("/webhooks/shopify", BODY, signed(BODY), 404, "unknown_path", id="unknown path"),
    pytest.param(SHOPIFY, BODY, signed(BODY, "forged"), 401, "bad_signature", id="forged"),
    pytest.param(SHOPIFY, BODY + b" ", signed(BODY), 401, "bad_signature", id="one byte more"),
    pytest.param(SHOPIFY, BODY, signed(BODY, X_Shopify_Hmac_Sha256="é"), 401, "bad_signature", id="odd signature"),
    pytest.param(
        SHOPIFY, BODY, signed(BODY, X_Shopify_Shop_Domain="other.myshopify.com"), 401, "wrong_shop", id="other shop"
    ),
    pytest.param(SHOPIFY, BODY, without("X-Shopify-Topic"), 400, "missing_header", id="no topic"),
    pytest.param(SHOPIFY, BODY, without("X-Shopify-Hmac-Sha256"), 400, "missing_header", id="no signature"),
    pytest.param(SHOPIFY, BODY, signed(BODY, Content_Type="text/plain"), 415, "wrong_content_type", id="plain text"),
    pytest.param(SHOPIFY, BODY, signed(BODY, topic="orders/nonsense"), 422, "unknown_topic", id="unknown topic"),
    pytest.param(SHOPIFY, b"{", signed(b"{"), 400, "not_json", id="cut off"),
    pytest.param(SHOPIFY, b"[]", signed(b"[]"), 400, "not_json", id="a list"),
    pytest.param(SHOPIFY, b'{"id":1,"id":1}', signed(b'{"id":1,"id":1}'), 400, "not_json", id="a key twice"),
    pytest.param(SHOPIFY, b'{"id":"1"}', signed(b'{"id":"1"}'), 400, "bad_id", id="id is text"),
    pytest.param(SHOPIFY, b'{"id":true}', signed(b'{"id":true}'), 400, "bad_id", id="id is true"),
    pytest.param(SHOPIFY, b'{"id":-1}', signed(b'{"id":-1}'), 400, "bad_id", id="id is negative"),
    pytest.param(SHOPIFY, b'{"id":1.0}', signed(b'{"id":1.0}'), 400, "bad_id", id="id is a fraction"),
    pytest.param(SHOPIFY, b'{"x":1}', signed(b'{"x":1}'), 400, "bad_id", id="no id"),
    pytest.param(SHOPIFY, BODY, signed(BODY, X_Shopify_Webhook_Id="é"), 400, "bad_header", id="odd webhook id"),
    pytest.param(SHOPIFY, BODY, signed(BODY, X_Shopify_Event_Id="x" * 600), 400, "bad_header", id="long event id"),
    pytest.param(SHOPIFY, b"x" * 5000, signed(b"x" * 5000), 413, "too_large", id="too large"),
    pytest.param(
        SHOPIFY, gzip.compress(BODY), signed(BODY, Content_Encoding="gzip"), 415, "wrong_content_type", id="gz"
    ),
    pytest.param(HOOK + "x", ITEM, JSON, 401, "bad_signature", id="wrong token"),
    pytest.param(HOOK.replace("item", "shelf"), ITEM, JSON, 422, "unknown_topic", id="unknown event"),
    pytest.param(HOOK, b'{"id":"x"}', JSON, 400, "bad_id", id="odd item id"),
    pytest.param(HOOK, b"nonsense", JSON, 400, "not_json", id="odd hook"),
]


@pytest.mark.parametrize(("path", "body", "headers", "status", "reason"), REFUSALS)
async def test_refused(
    place: RunningIngress, path: str, body: bytes, headers: dict[str, str], status: int, reason: str
) -> None:
    answered, text, _ = await post(place, path, body, headers)

    assert (answered, place.rejections()) == (status, {reason: 1})
    assert place.broker.sent == []
    assert text.endswith("\n")
    assert [line["reason"] for line in place.lines] == [reason]


async def test_a_missing_header_is_named(place: RunningIngress) -> None:
    _, text, _ = await post(place, SHOPIFY, BODY, without("X-Shopify-Topic"))

    assert "X-Shopify-Topic" in text


async def test_every_failed_proof_gets_the_same_answer(place: RunningIngress) -> None:
    forged = await post(place, SHOPIFY, BODY, signed(BODY, "forged"))
    shop = await post(place, SHOPIFY, BODY, signed(BODY, X_Shopify_Shop_Domain="b.myshopify.com"))
    token = await post(place, HOOK + "x", ITEM, JSON)
    place.connections["main"].credentials.clear()
    place.connections["main"] = type(a_connection())("main", {})
    nothing = await post(place, SHOPIFY, BODY, signed(BODY))

    assert {answer[:2] for answer in (forged, shop, token, nothing)} == {(401, "the signature does not match\n")}


async def test_what_is_refused_leaves_no_trace_of_its_content(place: RunningIngress) -> None:
    body = b'{"id":1,"id":2,"email":"rae@example.com"}'
    _, text, _ = await post(place, SHOPIFY, body, signed(body))
    await post(place, "/webhooks/shopify/rae@example.com", body, signed(body))

    assert "rae" not in text
    assert "rae" not in json.dumps([dict(line) for line in place.lines])


async def test_only_post_is_taken(place: RunningIngress) -> None:
    async with aiohttp.ClientSession() as session, session.get(place.url + SHOPIFY) as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")


async def test_a_header_that_stands_twice_is_refused(place: RunningIngress) -> None:
    headers = signed(BODY) | {"Content-Length": str(len(BODY)), "x-shopify-topic": "orders/paid"}

    assert b" 400 " in await raw(place, request(headers, BODY))
    assert place.rejections() == {"repeated_header": 1}


async def test_a_large_body_is_refused_by_its_announced_length(place: RunningIngress) -> None:
    answer = await raw(place, request(signed(BODY) | {"Content-Length": "5000"}, b""))

    assert b" 413 " in answer


async def test_a_large_body_is_refused_while_it_comes_in_pieces(place: RunningIngress) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b" " * 1000

    status, _, _ = await post(place, SHOPIFY, pieces(), signed(BODY))
    assert (status, place.broker.sent) == (413, [])


async def test_a_body_in_pieces_is_taken(place: RunningIngress) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield BODY[:20]
        await asyncio.sleep(0)
        yield BODY[20:]

    status, _, _ = await post(place, SHOPIFY, pieces(), signed(BODY))
    assert (status, place.broker.sent[0][2]) == (200, BODY)


async def test_a_sender_that_asks_first_is_told_to_go_on(place: RunningIngress) -> None:
    async with aiohttp.ClientSession() as session:
        post = session.post(place.url + SHOPIFY, data=BODY, headers=signed(BODY), expect100=True)
        async with asyncio.timeout(10), post as response:
            assert response.status == 200


async def test_a_slow_body_is_given_up(place: RunningIngress) -> None:
    answer = await raw(place, request(signed(BODY) | {"Content-Length": str(len(BODY))}, BODY[:10]))

    assert b" 408 " in answer
    assert place.rejections() == {"too_slow": 1}


async def test_a_body_that_ends_early_is_no_crash(place: RunningIngress) -> None:
    await raw(place, request(signed(BODY) | {"Content-Length": str(len(BODY))}, BODY[:10]), end=True)

    assert (await post(place, SHOPIFY, BODY, signed(BODY)))[0] == 200
    assert len(place.broker.sent) == 1


async def test_broken_http_is_refused(place: RunningIngress) -> None:
    headers = signed(BODY) | {"Content-Length": str(len(BODY)), "Transfer-Encoding": "chunked"}

    assert b" 400 " in await raw(place, request(headers, BODY))
    assert place.broker.sent == []


async def test_without_a_broker_the_sender_is_asked_to_come_again(place: RunningIngress) -> None:
    place.broker.down = True

    status, _, headers = await post(place, SHOPIFY, BODY, signed(BODY))
    assert (status, headers["Retry-After"]) == (503, "5")
    assert place.rejections() == {"broker_down": 1}


async def test_what_waits_for_the_broker_is_bounded() -> None:
    async with an_ingress(ingress_max_waiting_bytes=1024) as place:
        place.broker.gate = asyncio.Event()
        large = json.dumps({"id": 1, "note": "x" * 600}).encode()
        first = asyncio.create_task(post(place, SHOPIFY, large, signed(large)))
        await place.broker.entered.wait()

        assert (await post(place, SHOPIFY, large, signed(large)))[0] == 503
        place.broker.gate.set()
        assert (await first)[0] == 200
        assert (await post(place, SHOPIFY, large, signed(large)))[0] == 200


async def test_what_came_in_and_went_out_is_counted(place: RunningIngress) -> None:
    await post(place, SHOPIFY, BODY, signed(BODY))
    await post(place, HOOK, ITEM, JSON)

    for entity in ("order", "product"):
        assert place.metrics.events_in.labels(entity)._value.get() == 1
        assert place.metrics.events_out.labels(entity)._value.get() == 1


@pytest.mark.parametrize(
    ("event", "topic"),
    [
        ("item_created", "t.raw.heartland.product"),
        ("customer_updated", "t.raw.heartland.customer"),
        ("sales_transaction_completed", "t.raw.heartland.sale"),
    ],
)
async def test_a_hook_goes_to_the_topic_of_its_entity(place: RunningIngress, event: str, topic: str) -> None:
    status, _, _ = await post(place, f"/webhooks/heartland/main/{event}/{TOKEN}", ITEM, JSON)

    assert status == 200
    assert place.broker.sent[0][:3] == (topic, b"main|100310", ITEM)
    assert place.broker.envelopes()[0].type == f"heartland.{event}"


async def test_a_hook_knows_both_tokens_of_a_rotation(place: RunningIngress) -> None:
    assert (await post(place, HOOK.replace(TOKEN, PREVIOUS_TOKEN), ITEM, JSON))[0] == 200


async def test_the_same_hook_twice_is_one_event(place: RunningIngress) -> None:
    for path in (HOOK, HOOK, HOOK.replace("updated", "created")):
        await post(place, path, ITEM, JSON)

    first, again, other = (envelope.id for envelope in place.broker.envelopes())
    assert first == again != other


async def test_an_escaped_address_is_read(place: RunningIngress) -> None:
    body = b'{"id":1}'

    assert (await post(place, "/webhooks/shopify/m%61in?x=1", body, signed(body)))[0] == 200
    assert sign(body, SECRET)
