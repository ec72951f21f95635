"""Shopify's own Python package works against the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from aiohttp import web
from shopify_app import admin_graphql_request_async, exchange_using_client_credentials_async
from shopify_app.verify.webhook import verify_webhook_req

from tests.support.samples import sample, sample_names
from tests.support.sandbox import Sandbox, open_sandbox

APP = {"client_id": "sandbox-client-id", "client_secret": "sandbox-client-secret"}
QUERY = "query($id: ID!) { order(id: $id) { name totalPriceSet { shopMoney { amount currencyCode } } } }"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox() as found:
        yield found


@pytest.fixture
async def to_sandbox(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """The client's HTTP, with every shop's address leading to the sandbox."""
    inner = httpx.AsyncHTTPTransport()
    target = httpx.URL(sandbox.url)

    class Rerouted(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            request.url = request.url.copy_with(scheme="http", host=target.host, port=target.port)
            return await inner.handle_async_request(request)

    async with httpx.AsyncClient(transport=Rerouted()) as client:
        yield client
    await inner.aclose()


async def token(client: httpx.AsyncClient) -> str:
    granted = await exchange_using_client_credentials_async("sandbox", APP, http_client=client)
    assert granted.ok, granted.log
    found: Any = granted.access_token
    return str(found.token)


async def ask(client: httpx.AsyncClient, access_token: str, query: str, **variables: Any) -> Any:
    return await admin_graphql_request_async(
        query, "sandbox", access_token, "2026-10", variables=variables, http_client=client
    )


@pytest.mark.capability("S72")
async def test_the_official_client_gets_a_token_and_reads_an_order(
    sandbox: Sandbox, to_sandbox: httpx.AsyncClient
) -> None:
    order = orjson.loads(sample("shopify", "order_discounts_partial_refund_2026-07.json"))
    posted = await sandbox.control("POST", "/shopify/orders", order)

    answer = await ask(to_sandbox, await token(to_sandbox), QUERY, id=posted["gid"])

    assert answer.ok, answer.log
    assert answer.data["order"] == {
        "name": "#1001",
        "totalPriceSet": {"shopMoney": {"amount": "598.94", "currencyCode": "USD"}},
    }
    assert answer.extensions["cost"]["requestedQueryCost"] >= 1


async def test_the_official_client_understands_refusals(sandbox: Sandbox, to_sandbox: httpx.AsyncClient) -> None:
    wrong = {**APP, "client_secret": "other"}
    refused = await exchange_using_client_credentials_async("sandbox", wrong, http_client=to_sandbox)
    unknown = await ask(to_sandbox, "shpat_unknown", QUERY, id="gid://shopify/Order/1")
    invalid = await ask(to_sandbox, await token(to_sandbox), "{ nonsense }")

    assert (refused.ok, refused.log.code) == (False, "invalid_client")
    assert (unknown.ok, unknown.log.code) == (False, "unauthorized")
    assert (invalid.ok, invalid.log.code) == (False, "graphql_errors")


async def test_the_official_client_survives_throttling_by_status(
    sandbox: Sandbox, to_sandbox: httpx.AsyncClient
) -> None:
    access_token = await token(to_sandbox)
    await sandbox.faults({"system": "shopify", "kind": "throttle", "times": 1, "retry_after": 0})

    answer = await ask(to_sandbox, access_token, "{ shop { name } }")

    assert answer.ok, answer.log
    assert await sandbox.fault_hits() == [1]


class Receiver:
    """Keeps what it is sent, as Shopify's package wants to see it."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def take(self, request: web.Request) -> web.Response:
        body = (await request.read()).decode()
        headers = dict(request.headers)
        await self.heard.put({"method": "POST", "headers": headers, "body": body, "url": str(request.url)})
        return web.Response()


@pytest.fixture
async def receiver(sandbox: Sandbox) -> AsyncIterator[Receiver]:
    found = Receiver()
    app = web.Application()
    app.router.add_post("/webhooks/shopify/main", found.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = "http://{}:{}".format(*runner.addresses[0][:2])
    await sandbox.control("POST", "/shopify/webhook_url", {"url": url})
    yield found
    await runner.cleanup()


@pytest.mark.parametrize("name", sample_names("shopify", "order_*.json"))
async def test_shopifys_package_verifies_our_webhooks(sandbox: Sandbox, receiver: Receiver, name: str) -> None:
    await sandbox.control("POST", "/shopify/orders", sample_order(name))

    heard = await receiver.heard.get()

    verdict = verify_webhook_req(heard, APP)
    assert (verdict.ok, verdict.shop, verdict.log.code) == (True, "sandbox", "verified")
    assert not verify_webhook_req({**heard, "body": heard["body"] + " "}, APP).ok


def sample_order(name: str) -> Any:
    return orjson.loads(sample("shopify", name))


@pytest.mark.parametrize("name", sample_names("shopify", "order_*.json"))
async def test_posted_figures_are_served_as_they_were_posted(sandbox: Sandbox, name: str) -> None:
    posted = sample_order(name)["order"]
    made = await sandbox.control("POST", "/shopify/orders?webhook=false", posted)
    state = await sandbox.control("GET", f"/shopify/orders/{made['id']}")

    stored = state["order"]
    assert {key: stored[key] for key in posted if key not in CHANGED} == {
        key: value for key, value in posted.items() if key not in CHANGED
    }
    assert [line["id"] for line in stored["line_items"]] == [line["id"] for line in posted["line_items"]]
    assert [line["price"] for line in stored["line_items"]] == [line["price"] for line in posted["line_items"]]


# Parts of an order that get the ids which old bodies lack.
CHANGED = {"line_items", "shipping_lines", "refunds", "fulfillments", "customer"}
