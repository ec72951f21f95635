"""The client against a server that answers what the test wants, the impossible included."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from shared.connectors.shopify.document import Document
from shared.connectors.shopify.errors import QueryTooLarge
from shared.connectors.shopify.responses import MAX_RESPONSE_BYTES
from shared.entities.order.shopify.documents import READ_ORDERS
from shared.errors import CredentialsRefused, OutcomeUnknown, Rejected, TargetDown
from shared.limits.call_context import LIVE
from shared.limits.circuit_breaker import CLOSED, OPEN, Breaker
from shared.limits.query_cost import QueryCostLimit
from shared.runtime.clock import SystemClock
from tests.support.shop_server import data, error, open_shop_server, says

ASK = Document("Ask", "query Ask { shop { name } }")
SHIP = Document("Ship", "mutation Ship { x }")
FINE = {"shop": {"name": "Demo"}}


async def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def flood(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"x" * (MAX_RESPONSE_BYTES + 1))


async def test_a_query_gets_its_data_and_carries_token_and_name() -> None:
    async with open_shop_server(data(FINE)) as (shop, session):
        assert await shop.client(session).execute(ASK, {"a": 1}) == FINE

    assert shop.requests == [{"query": ASK.text, "variables": {"a": 1}}]
    assert shop.headers[0]["X-Shopify-Access-Token"] == "token-1"
    assert shop.headers[0]["User-Agent"].startswith("Tillbridge")
    assert shop.calls == [("Ask", "200")]


@pytest.mark.capability("S42")
async def test_one_token_serves_all_who_ask_at_once() -> None:
    async with open_shop_server(data(FINE)) as (shop, session):
        client = shop.client(session)
        await asyncio.gather(*(client.execute(ASK, {}) for _ in range(20)))

    assert shop.tokens == 1


async def test_a_refused_token_is_replaced_once() -> None:
    async with open_shop_server(says({}, 401), data(FINE)) as (shop, session):
        assert await shop.client(session).execute(ASK, {}) == FINE

    assert [sent["X-Shopify-Access-Token"] for sent in shop.headers] == ["token-1", "token-2"]


async def test_a_shop_that_refuses_fresh_tokens_is_down() -> None:
    async with open_shop_server(says({}, 401)) as (shop, session):
        with pytest.raises(TargetDown, match="token"):
            await shop.client(session).execute(ASK, {})

    assert len(shop.requests) == 2


async def expired(request: web.Request) -> web.StreamResponse:
    """The first token is not accepted any more."""
    known = request.headers["X-Shopify-Access-Token"] != "token-1"
    return await (data(FINE) if known else says({}, 401))(request)


async def test_all_who_meet_an_expired_token_share_one_new_one_and_the_breaker_stays_closed() -> None:
    async with open_shop_server(expired) as (shop, session):
        shop.breaker = Breaker("demo", clock=SystemClock(), failures=1)
        client = shop.client(session)
        assert await asyncio.gather(*(client.execute(ASK, {}) for _ in range(20))) == [FINE] * 20

    assert shop.tokens == 2
    assert shop.breaker.state == CLOSED


async def test_a_revoked_app_asks_for_no_token_per_call_and_says_what_is_wrong() -> None:
    async with open_shop_server(says({}, 401)) as (shop, session):
        client = shop.client(session)
        ends = await asyncio.gather(*(client.execute(ASK, {}) for _ in range(20)), return_exceptions=True)

    assert {type(end) for end in ends} == {CredentialsRefused}
    assert shop.tokens == 2


async def test_a_revoked_app_opens_the_breaker_after_a_few_refusals() -> None:
    async with open_shop_server(says({}, 401)) as (shop, session):
        shop.breaker = Breaker("demo", clock=SystemClock())
        client = shop.client(session)
        for _ in range(5):
            with pytest.raises(CredentialsRefused):
                await client.execute(ASK, {})

    assert shop.breaker.state == OPEN


async def test_a_static_token_is_used_as_it_is() -> None:
    async with open_shop_server(says({}, 401)) as (shop, session):
        with pytest.raises(TargetDown):
            await shop.client(session, access_token="shpat_1").execute(ASK, {})

    assert (shop.tokens, len(shop.requests)) == (0, 1)
    assert shop.headers[0]["X-Shopify-Access-Token"] == "shpat_1"


@pytest.mark.capability("S42")
async def test_a_token_is_renewed_before_it_expires() -> None:
    async with open_shop_server(data(FINE)) as (shop, session):
        shop.token_answer = says({"access_token": "short", "expires_in": 0.000001})
        client = shop.client(session)
        await client.execute(ASK, {})
        await client.execute(ASK, {})

    assert shop.tokens == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [(400, {"error": "invalid_client"}), (401, {}), (500, {}), (200, {}), (200, b"<html>"), (302, {})],
)
async def test_no_token_means_the_shop_is_down_and_nothing_was_sent(status: int, body: object) -> None:
    async with open_shop_server(data(FINE)) as (shop, session):
        shop.token_answer = says(body, status)
        with pytest.raises(TargetDown) as caught:
            await shop.client(session).execute(SHIP, {})

    assert not isinstance(caught.value, OutcomeUnknown)
    assert not shop.requests


async def test_a_throttled_query_is_sent_again_once_the_bucket_allows() -> None:
    async with open_shop_server(error("THROTTLED", requested=500, available=100), data(FINE, 500)) as (shop, session):
        assert await shop.client(session).execute(ASK, {}) == FINE

    assert len(shop.requests) == 2


async def test_throttling_without_end_is_an_outage() -> None:
    async with open_shop_server(error("THROTTLED")) as (shop, session):
        with pytest.raises(TargetDown, match="throttled"):
            await shop.client(session).execute(ASK, {})


async def test_throttling_on_a_plan_that_states_no_bucket_is_waited_out() -> None:
    bare = says({"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]})
    async with open_shop_server(bare, bare, says({"data": FINE})) as (shop, session):
        assert await shop.client(session).execute(ASK, {}) == FINE


async def test_what_a_query_costs_is_learnt() -> None:
    async with open_shop_server(data({"nodes": []}, requested=40)) as (shop, session):
        client = shop.client(session)
        before = client.max_units(READ_ORDERS)
        await client.execute(READ_ORDERS, {"ids": ["a", "b"]})

    assert (before, client.max_units(READ_ORDERS)) == (34, 50)


async def test_a_query_that_costs_too_much_says_so_and_is_not_tried_at_that_size_again() -> None:
    async with open_shop_server(error("MAX_COST_EXCEEDED")) as (shop, session):
        client = shop.client(session)
        with pytest.raises(QueryTooLarge):
            await client.execute(READ_ORDERS, {"ids": ["a", "b", "c", "d"]})

    assert client.max_units(READ_ORDERS) == 2


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"data":', b"[]", b'{"data":null}'], ids=repr)
async def test_garbage_is_an_outage_to_a_query_and_a_doubt_to_a_mutation(body: bytes) -> None:
    async with open_shop_server(says(body)) as (shop, session):
        with pytest.raises(TargetDown):
            await shop.client(session).execute(ASK, {})
        with pytest.raises(OutcomeUnknown):
            await shop.client(session).execute(SHIP, {})


async def test_an_endless_answer_is_cut_off() -> None:
    async with open_shop_server(flood) as (shop, session):
        with pytest.raises(QueryTooLarge):
            await shop.client(session).execute(ASK, {})
        with pytest.raises(OutcomeUnknown):
            await shop.client(session).execute(SHIP, {})


async def test_a_connection_that_breaks_leaves_a_mutation_in_doubt() -> None:
    async with open_shop_server(hang_up) as (shop, session):
        with pytest.raises(OutcomeUnknown):
            await shop.client(session).execute(SHIP, {})
        assert shop.calls == [("Ship", "no_answer")]


async def test_a_shop_that_nobody_answers_for_has_applied_nothing() -> None:
    async with open_shop_server(data(FINE)) as (shop, session):
        client = shop.client(session, base_url="http://127.0.0.1:9", access_token="shpat_1")
        with pytest.raises(TargetDown) as caught:
            await client.execute(SHIP, {})

    assert not isinstance(caught.value, OutcomeUnknown)


async def test_a_redirect_is_not_followed_with_the_token() -> None:
    async with open_shop_server(says({}, 302, Location="http://127.0.0.1:9/elsewhere")) as (shop, session):
        with pytest.raises(TargetDown, match="redirects"):
            await shop.client(session).execute(ASK, {})


async def test_too_many_requests_say_when_to_come_back() -> None:
    async with open_shop_server(says({}, 429, Retry_After="2.5")) as (shop, session):
        with pytest.raises(TargetDown) as caught:
            await shop.client(session).execute(SHIP, {})

    assert caught.value.after == 2.5


async def test_a_malformed_request_is_rejected() -> None:
    async with open_shop_server(says({"errors": "bad"}, 400)) as (shop, session):
        with pytest.raises(Rejected):
            await shop.client(session).execute(ASK, {})


async def test_a_slow_shop_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.connectors.shopify.client._TIMEOUT", aiohttp.ClientTimeout(total=0.05))
    never = asyncio.Event()

    async def wait(request: web.Request) -> web.StreamResponse:
        await never.wait()
        return web.Response()

    async with open_shop_server(wait) as (shop, session):
        with pytest.raises(OutcomeUnknown):
            await shop.client(session).execute(SHIP, {})
        never.set()


async def test_a_query_that_the_breaker_refuses_takes_no_points() -> None:
    async with open_shop_server(data(FINE)) as (shop, session):
        shop.breaker = Breaker("demo", clock=SystemClock(), failures=1)
        shop.breaker.end(shop.breaker.begin(), TargetDown("down"))
        client, cost_limit = shop.client(session), QueryCostLimit(SystemClock(), maximum=1000, restore_rate=0.001)
        client._cost_limit = cost_limit
        with pytest.raises(TargetDown, match="open"):
            await client.execute(ASK, {})

        assert shop.requests == []
        assert cost_limit.available == pytest.approx(1000, abs=0.1)


async def test_points_that_came_too_late_are_given_back() -> None:
    async with open_shop_server(data(FINE)) as (shop, session):
        shop.breaker = Breaker("demo", clock=SystemClock(), failures=1)
        client, cost_limit = shop.client(session), QueryCostLimit(SystemClock(), maximum=1000, restore_rate=0.001)
        client._cost_limit = cost_limit
        await cost_limit.reserve(1000)
        waiting = asyncio.create_task(client.execute(ASK, {}))
        await asyncio.sleep(0)
        shop.breaker.end(shop.breaker.begin(), TargetDown("down"))
        cost_limit.release_unused(1000)
        with pytest.raises(TargetDown, match="open"):
            await waiting

        assert shop.requests == []
        assert cost_limit.available == pytest.approx(1000, abs=0.1)


async def test_a_mutation_asks_before_it_goes_out_and_a_query_does_not() -> None:
    async def check() -> None:
        raise TargetDown("settled elsewhere")

    async with open_shop_server(data(FINE)) as (shop, session):
        shop.breaker = Breaker("demo", clock=SystemClock(), failures=1)
        client, cost_limit = shop.client(session), QueryCostLimit(SystemClock(), maximum=1000, restore_rate=0.001)
        client._cost_limit = cost_limit
        with pytest.raises(TargetDown, match="settled elsewhere"):
            await client.execute(SHIP, {}, LIVE.checked_by(check))
        assert cost_limit.available == pytest.approx(1000, abs=0.1)
        await client.execute(ASK, {}, LIVE.checked_by(check))

        assert len(shop.requests) == 1
        assert shop.breaker.state == CLOSED
