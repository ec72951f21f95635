"""`tillbridge sandbox order|item|poison|mend`.

Test cases in the sandbox, each with the command to try next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import aiohttp
import orjson
import typer

from services.cli.running_system import RunningSystem, environment, find_running_system
from shared.entities.order.event import order_event
from shared.entities.order.shopify import webhook_body as webhook
from shared.entities.order.spec import CANONICAL_ORDER
from shared.errors import IntegrationError, Misconfigured
from shared.messaging.envelope import Envelope, new_traceparent
from shared.messaging.kafka.producer import open_producer
from shared.runtime.clock import SystemClock
from shared.runtime.output import console, fail
from shared.runtime.settings import Settings

Json = dict[str, Any]
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_REMEDY = "start it with `tillbridge run`, without accounts of your own, or set SANDBOX_URL"
_NO_MORE_THAN = 20

app = typer.Typer(
    add_completion=False,
    help="Test cases in the sandbox: an order, a missing item, orders that become dead letters.",
    no_args_is_help=True,
)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Client of the sandbox's control API. Raises Misconfigured if it does not answer, or refuses."""

    url: str
    session: aiohttp.ClientSession

    async def order(self, order_id: int) -> Json:
        """The order's body as Shopify sends it, with its payments."""
        state = await self._ask("GET", f"/_sandbox/shopify/orders/{order_id}")
        return {**state["order"], "transactions": state["transactions"]}

    async def place(self, kind: str, count: int = 1) -> list[Json]:
        """New orders of a kind that the sandbox knows: `id`, `name`, `number` and `sku` of each."""
        return list((await self._ask("POST", "/_sandbox/demo/orders", {"kind": kind, "count": count}))["orders"])

    async def restore_currency(self) -> list[str]:
        """The names of the orders whose currency was corrected in Shopify."""
        return list((await self._ask("POST", "/_sandbox/demo/restore_currency"))["orders"])

    async def add_item(self, sku: str) -> None:
        await self._ask("POST", "/_sandbox/heartland/items", {"public_id": sku, "description": sku})

    async def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        try:
            async with self.session.request(method, self.url + path, json=body) as response:
                answer = await response.read()
                if response.status >= 300:
                    raise Misconfigured(
                        f"the sandbox answered {response.status}: {answer[:200].decode(errors='replace')}"
                    )
                return dict(orjson.loads(answer))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Misconfigured(
                f"the sandbox does not answer at {self.url} ({type(error).__name__}): {_REMEDY}"
            ) from None


def without_currency(document: Json, connection: str) -> Envelope:
    """The order's canonical event as a faulty program would publish it: without a currency."""
    record = webhook.from_webhook(webhook.parse(orjson.dumps(document)))
    event = order_event(record, connection, namespace="", read_at=record.updated_at)
    body = event.model_dump(mode="json")
    del body["record"]["currency"]
    return Envelope(
        id=f"poison:{record.id}",
        source="sandbox",
        type="tillbridge.order.v1",
        time=record.updated_at,
        connection=connection,
        entity="order",
        subject=record.id,
        body=orjson.dumps(body),
        traceparent=new_traceparent(),
    )


@dataclass(frozen=True, slots=True)
class _TestCases:
    system: RunningSystem
    sandbox: Sandbox

    async def order(self, *, is_without_item: bool) -> str:
        [placed] = await self.sandbox.place("unknown_item" if is_without_item else "plain")
        if not is_without_item:
            return f"placed order {placed['name']}: `tillbridge trace {placed['number']}` shows its way"
        return (
            f"placed order {placed['name']} with item {placed['sku']}, which Heartland does not have: "
            f"`tillbridge parked list` shows that it waits\n"
            f"then add the item: tillbridge sandbox item {placed['sku']}"
        )

    async def item(self, sku: str) -> str:
        await self.sandbox.add_item(sku)
        return f"added item {sku} to Heartland: orders that wait for it are written within seconds"

    async def poison(self, count: int) -> str:
        wrong = [placed["name"] for placed in await self.sandbox.place("invalid_currency", count)]
        lost = await self._lose_currency()
        return (
            f"{', '.join(wrong)}: their currency in Shopify does not exist. "
            "Correct it by `tillbridge sandbox mend`, then replay them\n"
            f"{lost}: its event has no currency. Correct the event by `tillbridge dlq edit`\n"
            "next: tillbridge alerts list"
        )

    async def _lose_currency(self) -> str:
        [placed] = await self.sandbox.place("silent")
        poisoned = without_currency(await self.sandbox.order(placed["id"]), self.system.connection)
        settings = Settings.from_env(self.system.environ(environment()))
        async with open_producer(settings, SystemClock()) as producer:
            await producer.send(CANONICAL_ORDER, poisoned)
        return str(placed["name"])

    async def mend(self) -> str:
        """Sends no webhook, so that the replay is what writes the orders."""
        mended = await self.sandbox.restore_currency()
        if not mended:
            return "nothing to correct: `tillbridge sandbox poison` places orders with a wrong currency"
        return f"corrected in Shopify: {', '.join(mended)}; replay them: tillbridge dlq replay --reason currency"


def find_sandbox(environ: Mapping[str, str]) -> tuple[RunningSystem, str]:
    """The running system and its sandbox's URL. Raises Misconfigured if there is none."""
    system = find_running_system(environ)
    if not system.sandbox_url:
        raise Misconfigured(f"no sandbox is running: {_REMEDY}")
    return system, system.sandbox_url


async def _run_case(case: Callable[[_TestCases], Coroutine[Any, Any, str]]) -> str:
    system, url = find_sandbox(environment())
    async with aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()) as session:
        return await case(_TestCases(system, Sandbox(url, session)))


def _print_result(case: Callable[[_TestCases], Coroutine[Any, Any, str]]) -> None:
    try:
        console().print(asyncio.run(_run_case(case)), markup=False)
    except IntegrationError as error:
        fail(error.reason)
    except KeyboardInterrupt:
        fail("interrupted", 130)


@app.command(name="order")
def place_order(
    missing_item: Annotated[
        bool, typer.Option("--missing-item", help="Order an item that Heartland does not have yet.")
    ] = False,
) -> None:
    """Place an order in the sandbox's Shopify."""
    _print_result(lambda cases: cases.order(is_without_item=missing_item))


@app.command(name="item")
def add_item(sku: Annotated[str, typer.Argument(help="The item's SKU.")]) -> None:
    """Add an item to the sandbox's Heartland."""
    _print_result(lambda cases: cases.item(sku))


@app.command(name="poison")
def poison(
    count: Annotated[
        int,
        typer.Option(
            min=1, max=_NO_MORE_THAN, help="How many orders to correct in Shopify; one more needs `dlq edit`."
        ),
    ] = 3,
) -> None:
    """Place orders that become dead letters."""
    _print_result(lambda cases: cases.poison(count))


@app.command(name="mend")
def mend() -> None:
    """Correct the orders of `poison` in Shopify."""
    _print_result(lambda cases: cases.mend())
