from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.errors import NotFound, Refused
from shared.connectors.heartland.models import MaybeAmount, Model, read_one
from shared.connectors.heartland.transport import RequestLimits
from shared.errors import CredentialsRefused, OutcomeUnknown, RetryLater, TargetDown
from shared.limits.call_context import LIVE, REPAIR, CallContext
from shared.limits.circuit_breaker import CLOSED, Breaker
from shared.limits.rate_limit import RateLimit
from shared.runtime.clock import SystemClock
from tests.unit.shared.connectors.heartland.server import Respond, a_client, answering

Call = Callable[..., Awaitable[Any]]


class Gadget(Model):
    id: int
    price: MaybeAmount = None


async def read(client: HeartlandClient, context: CallContext = LIVE) -> Any:
    return read_one(Gadget, await client.record("gadgets/{}", 5, context=context))


async def write(client: HeartlandClient, context: CallContext = LIVE) -> Any:
    return await client.create("gadgets", body={"status": "pending"}, context=context)


async def change(client: HeartlandClient, context: CallContext = LIVE) -> Any:
    await client.update("gadgets/{}", 5, body={"status": "open"}, context=context)


def status(code: int, text: str = "", **headers: str) -> Respond:
    return lambda request: web.Response(status=code, text=text, headers=headers)


def hang_up(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize(
    ("respond", "call", "error"),
    [
        pytest.param(status(401), read, CredentialsRefused, id="token not accepted"),
        pytest.param(status(403), write, TargetDown, id="not permitted"),
        pytest.param(status(429), write, TargetDown, id="throttled: not applied"),
        pytest.param(status(500), read, TargetDown, id="a read that failed"),
        pytest.param(status(503), write, OutcomeUnknown, id="a write that failed"),
        pytest.param(status(500), change, OutcomeUnknown, id="a change that failed"),
        pytest.param(status(408), write, OutcomeUnknown, id="a write that took too long for them"),
        pytest.param(status(302, location="https://elsewhere"), read, TargetDown, id="redirected"),
        pytest.param(status(200, "<html>"), read, TargetDown, id="a page instead of a record"),
        pytest.param(status(200, ""), read, TargetDown, id="nothing instead of a record"),
        pytest.param(status(200, "[1]"), read, TargetDown, id="a list instead of a record"),
        pytest.param(status(200, '{"public_id": "S-1"}'), read, RetryLater, id="a record without id"),
        pytest.param(status(200, '{"id": 1, "price": NaN}'), read, TargetDown, id="not a number"),
        pytest.param(status(201, "<html>"), write, OutcomeUnknown, id="a page as answer to a create"),
        pytest.param(status(200, "<html>"), change, OutcomeUnknown, id="a page as answer to a change"),
        pytest.param(hang_up, read, TargetDown, id="a read cut off"),
        pytest.param(hang_up, write, OutcomeUnknown, id="a write cut off"),
        pytest.param(status(404, '{"error": "not_found"}'), read, NotFound, id="no such record"),
        pytest.param(status(404, "<html>"), read, TargetDown, id="a page that something is gone"),
        pytest.param(status(404, "<html>"), change, OutcomeUnknown, id="a page that something is gone, for a change"),
        pytest.param(status(400, '"no"'), write, OutcomeUnknown, id="a refusal that says nothing"),
        pytest.param(status(404), read, TargetDown, id="gone without a word"),
        pytest.param(status(413, "<html>"), write, Refused, id="too large for any web server"),
        pytest.param(status(422, '{"error": "validation_error"}'), write, Refused, id="refused"),
        pytest.param(status(405, '{"error": "method_not_allowed"}'), write, Refused, id="method not allowed"),
    ],
)
async def test_what_comes_back_becomes_one_of_our_errors(respond: Respond, call: Call, error: type[Exception]) -> None:
    async with answering(respond) as spoken:
        with pytest.raises(error) as caught:
            await call(spoken.client)

    assert type(caught.value) is error


async def test_an_account_that_says_no_without_a_body_is_believed_where_its_settings_say_so() -> None:
    async with answering(status(404), RequestLimits(empty_refusals=True)) as spoken:
        with pytest.raises(NotFound):
            await read(spoken.client)


@pytest.mark.parametrize(
    ("headers", "after"),
    [({"Retry-After": "7"}, 7.0), ({"Retry-After": "99999999"}, 3600.0), ({}, None), ({"Retry-After": "soon"}, None)],
)
async def test_a_throttled_call_says_when_to_come_back(headers: dict[str, str], after: float | None) -> None:
    async with answering(status(429, "", **headers)) as spoken:
        with pytest.raises(TargetDown) as caught:
            await write(spoken.client)

    assert caught.value.after == after


async def test_a_date_in_retry_after_is_read_too() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    async with answering(status(503, "", **{"Retry-After": date})) as spoken:
        with pytest.raises(RetryLater) as caught:
            await read(spoken.client)

    assert caught.value.after == pytest.approx(60, abs=5)


@pytest.mark.parametrize(
    "body",
    [
        '{"error":"validation_error","message":"Qty is too large","details":{"qty":["must be at most 99"]}}',
        '{"error":"validation_error","message":"Qty is too large","details":{"qty":"must be at most 99"}}',
    ],
)
async def test_a_refusal_carries_code_message_and_fields(body: str) -> None:
    async with answering(status(400, body)) as spoken:
        with pytest.raises(Refused, match="Qty is too large; qty must be at most 99") as caught:
            await write(spoken.client)

    assert (caught.value.code, caught.value.status) == ("validation_error", 400)
    assert caught.value.names("qty")


@pytest.mark.parametrize(("call", "error"), [(read, TargetDown), (write, OutcomeUnknown)])
async def test_an_answer_that_takes_too_long(call: Call, error: type[Exception]) -> None:
    class Never(web.Response):
        async def prepare(self, request: web.BaseRequest) -> Any:
            import asyncio

            await asyncio.Event().wait()

    async with answering(lambda request: Never(), RequestLimits(total_seconds=0.05)) as spoken:
        with pytest.raises(error) as caught:
            await call(spoken.client)

    assert type(caught.value) is error


async def test_an_answer_that_is_too_large_is_not_read_to_its_end() -> None:
    async with answering(status(200, "x" * 5000), RequestLimits(max_answer_bytes=1000)) as spoken:
        with pytest.raises(TargetDown, match="larger than 1000 bytes"):
            await read(spoken.client)


async def test_a_refused_connection_is_certainly_not_applied() -> None:
    async with aiohttp.ClientSession() as session:
        client = a_client(session, "http://127.0.0.1:1", [], RequestLimits())
        with pytest.raises(TargetDown) as caught:
            await write(client)

    assert type(caught.value) is TargetDown


@pytest.mark.parametrize(
    ("headers", "text", "made"),
    [
        ({"Location": "https://acme.example/api/sales/orders/100123"}, "", 100123),
        ({"Location": "/api/sales/orders/100124"}, "", 100124),
        ({"Location": "/api/sales/orders/100125"}, "<html>", 100125),
        ({}, '{"id": 100126}', 100126),
        ({}, "", None),
    ],
)
async def test_a_create_tells_the_id_as_far_as_heartland_does(
    headers: dict[str, str], text: str, made: int | None
) -> None:
    async with answering(status(201, text, **headers)) as spoken:
        assert await write(spoken.client) == made


async def test_operations_have_few_names_without_ids() -> None:
    async with answering(status(201)) as spoken:
        await spoken.client.create("gadgets/{}/parts", 5, body={"qty": 1}, context=LIVE)
        await spoken.client.update("gadgets/{}/parts/{}", 5, 6, body={"qty": 1}, context=LIVE)

    assert spoken.observed == [("POST gadgets/parts", "ok"), ("PUT gadgets/parts", "ok")]
    assert [path for _, path, _, _ in spoken.asked] == ["/api/gadgets/5/parts", "/api/gadgets/5/parts/6"]


async def test_the_token_goes_along_and_is_never_shown() -> None:
    async with answering(status(201)) as spoken:
        await write(spoken.client)

    assert spoken.headers["Authorization"] == "Bearer sesame"
    assert spoken.headers["Content-Type"] == "application/json"


async def test_who_waited_for_a_turn_while_the_breaker_opened_does_not_go_out() -> None:
    clock = SystemClock()
    rate_limit = RateLimit(0, burst=1, max_in_flight=1, clock=clock)
    breaker = Breaker("test", failures=1, clock=clock)
    async with answering(status(503)) as spoken, aiohttp.ClientSession() as session:
        client = a_client(session, spoken.url, spoken.observed, RequestLimits(), rate_limit=rate_limit, breaker=breaker)

        ends = await asyncio.gather(*(write(client) for _ in range(3)), return_exceptions=True)

    assert [type(end) for end in ends] == [OutcomeUnknown, TargetDown, TargetDown]
    assert len(spoken.asked) == 1


async def test_a_repair_waits_behind_live_calls_of_the_same_account() -> None:
    rate_limit = RateLimit(0, burst=1, max_in_flight=1, clock=SystemClock())
    async with answering(status(200, '{"results": []}')) as spoken, aiohttp.ClientSession() as session:
        client = a_client(session, spoken.url, spoken.observed, RequestLimits(), rate_limit=rate_limit)
        await asyncio.gather(
            client.sub_records("gadgets/{}/parts", 1, context=LIVE),
            client.sub_records("gadgets/{}/parts", 4, context=REPAIR),
            client.sub_records("gadgets/{}/parts", 2, context=LIVE),
            client.sub_records("gadgets/{}/parts", 3, context=LIVE),
        )

    assert [path for _, path, _, _ in spoken.asked] == [f"/api/gadgets/{number}/parts" for number in (1, 2, 3, 4)]


async def test_a_question_arrives_as_it_was_asked() -> None:
    async with answering(status(200, '{"results": []}')) as spoken:
        await spoken.client.first_page("gadgets", {"public_id": "S-1 & 50% é+ü"}, per_page=2, context=LIVE)

    assert spoken.asked[0][2]["_filter"] == '{"public_id":"S-1 & 50% é+ü"}'


@pytest.mark.parametrize("text", ["", "x" * 70_000])
async def test_an_answer_is_read_whole_whatever_its_length(text: str) -> None:
    body = f'{{"id": 5, "public_id": "{text}"}}'
    async with answering(lambda request: web.Response(text=body)) as spoken:
        assert (await spoken.client.record("gadgets/{}", 5, context=LIVE))["public_id"] == text


async def test_a_packed_answer_is_held_to_the_same_limit() -> None:
    def packed(request: web.Request) -> web.Response:
        response = web.Response(text="x" * 5000)
        response.enable_compression()
        return response

    async with answering(packed, RequestLimits(max_answer_bytes=1000)) as spoken:
        with pytest.raises(TargetDown, match="larger than 1000 bytes"):
            await read(spoken.client)


async def test_calls_that_the_breaker_refuses_neither_queue_for_the_rate_nor_use_it_up() -> None:
    clock = SystemClock()
    rate_limit = RateLimit(0.001, burst=1, max_in_flight=1, clock=clock)
    breaker = Breaker("test", failures=1, clock=clock)
    breaker.end(breaker.begin(), TargetDown("refused"))
    async with answering(status(503)) as spoken, aiohttp.ClientSession() as session:
        client = a_client(session, spoken.url, spoken.observed, RequestLimits(), rate_limit=rate_limit, breaker=breaker)
        ends = await asyncio.gather(*(write(client) for _ in range(3)), return_exceptions=True)

    assert [type(end) for end in ends] == [TargetDown] * 3
    await asyncio.wait_for(rate_limit.acquire(), 1)  # its one token in a thousand seconds is still there


async def test_a_turn_that_came_too_late_is_given_back() -> None:
    clock = SystemClock()
    rate_limit = RateLimit(0.001, burst=2, max_in_flight=1, clock=clock)
    breaker = Breaker("test", failures=1, clock=clock)
    async with answering(status(503)) as spoken, aiohttp.ClientSession() as session:
        client = a_client(session, spoken.url, spoken.observed, RequestLimits(), rate_limit=rate_limit, breaker=breaker)
        await asyncio.gather(*(write(client) for _ in range(3)), return_exceptions=True)

    assert len(spoken.asked) == 1
    await asyncio.wait_for(rate_limit.acquire(), 1)


async def test_a_write_asks_before_it_goes_out_once_its_turn_has_come() -> None:
    rate_limit = RateLimit(0, burst=1, max_in_flight=1, clock=SystemClock())
    told: list[str] = []

    async def check() -> None:
        told.append("asked")

    async with answering(status(201, "", Location="/5")) as spoken, aiohttp.ClientSession() as session:
        client = a_client(session, spoken.url, spoken.observed, RequestLimits(), rate_limit=rate_limit)
        await rate_limit.acquire("live")
        waiting = asyncio.create_task(write(client, LIVE.checked_by(check)))
        await asyncio.sleep(0)
        assert (told, spoken.asked) == ([], [])
        rate_limit.release()
        await waiting

    assert told == ["asked"]
    assert len(spoken.asked) == 1


async def test_what_is_raised_before_a_write_keeps_it_back_and_says_nothing_of_heartland() -> None:
    clock = SystemClock()
    breaker = Breaker("test", failures=1, clock=clock)

    async def check() -> None:
        raise TargetDown("settled elsewhere")

    async with answering(status(200, '{"id": 5, "public_id": "S-1"}')) as spoken, aiohttp.ClientSession() as session:
        rate_limit = RateLimit(0, burst=1, max_in_flight=1, clock=clock)
        client = a_client(session, spoken.url, spoken.observed, RequestLimits(), rate_limit=rate_limit, breaker=breaker)
        for call in (write, change):
            with pytest.raises(TargetDown, match="settled elsewhere"):
                await call(client, LIVE.checked_by(check))
        await read(client, LIVE.checked_by(check))

    assert [method for method, *_ in spoken.asked] == ["GET"]
    assert breaker.state == CLOSED


@pytest.mark.parametrize(("code", "answered"), [(500, True), (429, False), (401, False)])
async def test_an_account_that_answers_with_a_failure_may_mean_one_record_alone(code: int, answered: bool) -> None:
    async with answering(status(code)) as spoken:
        with pytest.raises(TargetDown) as failed:
            await write(spoken.client)

    assert failed.value.answered is answered


async def test_an_account_that_does_not_answer_in_time_is_down() -> None:
    async with answering(status(200), RequestLimits(total_seconds=0.000001)) as spoken:
        with pytest.raises(TargetDown) as failed:
            await write(spoken.client)

    assert not failed.value.answered
