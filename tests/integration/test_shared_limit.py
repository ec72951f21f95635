"""Several processes' budgets on one account, over a real database, against the sandbox's own limit."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

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
TASKS = 6
SECONDS = 8.0


@dataclass
class Process:
    """One process's share of the shop's limit. `answered` counts all answers with status 200, throttled ones too."""

    limit: QueryCostLimit
    answered: int = 0
    throttled: int = 0
    client: ShopifyClient = field(init=False)

    def has_agreed(self, points: float) -> bool:
        """Whether its first calls succeeded and its part of the bucket has grown to so many points."""
        return self.answered >= TASKS + self.throttled and self.limit.most > points

    def observe(self, operation: str, outcome: str, seconds: float) -> None:
        self.answered += outcome == "200"

    def refused(self) -> None:
        self.throttled += 1


async def a_process(stack: AsyncExitStack, database_url: str, sandbox: Sandbox, number: int) -> Process:
    name = f"process {number}"
    database = await stack.enter_async_context(Database.open(database_url, 2))
    metrics = ServiceMetrics(name, CollectorRegistry())
    limits = await stack.enter_async_context(open_tool_limits(name, database, metrics, SystemClock()))
    limit = limits.query_cost_limit("acme", "shopify", 100.0)
    assert limit is not None
    process = Process(limit)
    process.client = a_client(sandbox, limits, process)
    return process


def a_client(sandbox: Sandbox, limits: VendorLimits, process: Process) -> ShopifyClient:
    settings = sandbox.world.settings
    account = ShopifyAccount.read(
        {
            "shop_domain": settings.sandbox_shop_domain,
            "client_id": settings.sandbox_client_id,
            "client_secret": settings.sandbox_client_secret,
            "base_url": sandbox.url,
        }
    )
    return ShopifyClient(
        sandbox.session,
        account,
        cost_limit=process.limit,
        breaker=limits.breaker("acme", "shopify"),
        clock=SystemClock(),
        observe=process.observe,
        throttled=process.refused,
    )


async def test_four_processes_use_one_shops_bucket_and_are_hardly_ever_throttled(database_url: str) -> None:
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(open_sandbox(sandbox_plan="standard"))
        processes = [await a_process(stack, database_url, sandbox, number) for number in range(PROCESSES)]
        bucket = shop_of(sandbox.world).bucket
        bucket.take(bucket.maximum * 0.9)
        over = asyncio.Event()

        async def work(process: Process, context: CallContext) -> None:
            while not over.is_set():
                await process.client.execute(SET_METAFIELDS, {"metafields": [NOWHERE]}, context)

        calls = (work(one, CallContext(PRIORITIES[task % 3])) for one in processes for task in range(TASKS))
        working = asyncio.gather(*calls)
        # Each process believes the bucket full until its first answers, and it is nearly empty: each task's first call
        # may be refused, and until the processes have agreed, each has the small share of a newcomer.
        await until(
            lambda: all(
                one.answered >= TASKS + one.throttled and one.limit.most > bucket.maximum / 6 for one in processes
            )
        )
        assert all(one.throttled <= TASKS for one in processes)
        for one in processes:
            one.answered = one.throttled = 0
        full, start = bucket.status()["currentlyAvailable"], time.monotonic()
        await asyncio.sleep(SECONDS)
        answered, refused = sum(one.answered for one in processes), sum(one.throttled for one in processes)
        seconds = time.monotonic() - start
        over.set()
        await working

        there = full + bucket.rate * seconds
        # How much of it is used is measured in virtual time; a busy machine cannot ask for all of it.
        assert 0.35 * there <= 10 * (answered - refused) <= there + 10 * PROCESSES
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
