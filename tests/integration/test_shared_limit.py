"""Several processes' budgets on one account, over a real database, against the sandbox's own limit."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

from prometheus_client import CollectorRegistry

from services.sandbox.shopify.shop import of as shop_of
from shared.canonical.priority import PRIORITIES
from shared.connectors.shopify.account import ShopifyAccount
from shared.connectors.shopify.client import ShopifyClient
from shared.entities.order.shopify.documents import SET_METAFIELDS
from shared.limits.call_context import CallContext
from shared.limits.query_cost import QueryCostLimit
from shared.limits.vendor_limits import VendorLimits, open_tool_limits
from shared.runtime.clock import SystemClock
from shared.runtime.metrics import ServiceMetrics
from shared.state.database import Database
from shared.state.limit_demands import LimitDemands
from tests.support.messaging import until
from tests.support.sandbox import Sandbox, open_sandbox

# Ten points each, whatever comes of it.
NOWHERE = {
    "ownerId": "gid://shopify/Order/1",
    "namespace": "tillbridge",
    "key": "heartland_order_id",
    "type": "single_line_text_field",
    "value": "1",
}
PROCESSES = 4
SECONDS = 8.0


class Counted:
    def __init__(self) -> None:
        self.answers = self.throttled = 0

    def observe(self, operation: str, outcome: str, seconds: float) -> None:
        self.answers += outcome == "200"

    def refused(self) -> None:
        self.throttled += 1


def a_client(sandbox: Sandbox, limits: VendorLimits, cost_limit: QueryCostLimit, counted: Counted) -> ShopifyClient:
    told, clock = sandbox.world.settings, SystemClock()
    account = ShopifyAccount.read(
        {
            "shop_domain": told.sandbox_shop_domain,
            "client_id": told.sandbox_client_id,
            "client_secret": told.sandbox_client_secret,
            "base_url": sandbox.url,
        }
    )
    return ShopifyClient(
        sandbox.session,
        account,
        cost_limit=cost_limit,
        breaker=limits.breaker("acme", "shopify"),
        clock=clock,
        observe=counted.observe,
        throttled=counted.refused,
    )


async def test_four_processes_use_one_shops_bucket_and_are_hardly_ever_throttled(database_url: str) -> None:
    counted = Counted()
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(open_sandbox(sandbox_plan="standard"))
        clients, cost_limits = [], []
        for number in range(PROCESSES):
            database = await stack.enter_async_context(Database.open(database_url, 2))
            metrics = ServiceMetrics(f"process {number}", CollectorRegistry())
            name = f"process {number}"
            limits = await stack.enter_async_context(open_tool_limits(name, database, metrics, SystemClock()))
            cost_limit = limits.query_cost_limit("acme", "shopify", 100.0)
            assert cost_limit is not None
            cost_limits.append(cost_limit)
            clients.append(a_client(sandbox, limits, cost_limit, counted))
        bucket = shop_of(sandbox.world).bucket
        bucket.take(bucket.maximum * 0.9)
        over = asyncio.Event()

        async def work(client: ShopifyClient, context: CallContext) -> None:
            while not over.is_set():
                await client.execute(SET_METAFIELDS, {"metafields": [NOWHERE]}, context)

        calls = (work(one, CallContext(PRIORITIES[task % 3])) for one in clients for task in range(6))
        working = asyncio.gather(*calls)
        # Whoever begins believes the bucket full, and this one is nearly empty: the first call of each may be refused.
        await until(lambda: counted.answers >= 6 * PROCESSES + counted.throttled)
        assert counted.throttled <= 6 * PROCESSES
        counted.answers = counted.throttled = 0
        full, start = bucket.status()["currentlyAvailable"], time.monotonic()
        await asyncio.sleep(SECONDS)
        answered, refused = counted.answers, counted.throttled
        seconds = time.monotonic() - start
        over.set()
        await working

        spent = 10 * (answered - refused)
        there = full + bucket.rate * seconds
        # How much of it is used is measured in virtual time; a busy machine cannot ask for all of it.
        assert 0.35 * there <= spent <= there + 10 * PROCESSES
        assert refused <= 0.01 * answered


async def test_processes_hear_of_each_other_and_forget_who_is_gone(database_url: str) -> None:
    limit = ("acme", "heartland")
    async with Database.open(database_url, 2) as database:
        one, other = LimitDemands(database, "one"), LimitDemands(database, "other")

        assert await one.exchange({limit: {"live": 0.5}}) == {limit: {}}
        heard = await other.exchange({limit: {"backfill": 2.0}, ("beta", "heartland"): {"live": 1.0}})
        assert heard == {limit: {"one": {"live": 0.5, "repair": 0.0, "backfill": 0.0}}, ("beta", "heartland"): {}}
        await database.execute("update budget_shares set seen_at = now() - interval '6 seconds' where instance = 'one'")
        assert (await other.exchange({limit: {"live": 1.0}}))[limit] == {}
        await other.withdraw([limit, ("beta", "heartland")])
        assert await one.exchange({limit: {"live": 0.5}}) == {limit: {}}
