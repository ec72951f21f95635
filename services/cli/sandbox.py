"""`tillbridge sandbox order|item|poison|mend`: things to try on the imitated shop, each with what to look at then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import aiohttp
import orjson
import typer

from services.cli.place import Place, environment, find
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

app = typer.Typer(help="Try things on the sandbox: an order, a missing item, poison.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The sandbox's own handles. Raises Misconfigured where it does not answer, or refuses."""

    url: str
    session: aiohttp.ClientSession

    async def order(self, order_id: int) -> Json:
        """The order's body as Shopify would send it, with its payments."""
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
                said = await response.read()
                if response.status >= 300:
                    raise Misconfigured(
                        f"the sandbox answered {response.status}: {said[:200].decode(errors='replace')}"
                    )
                return dict(orjson.loads(said))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Misconfigured(f"no sandbox answers at {self.url} ({type(error).__name__}): {_REMEDY}") from None


def without_currency(document: Json, connection: str) -> Envelope:
    """The order's canonical event as a faulty program would put it on the topic: its currency is missing."""
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
class _Desk:
    place: Place
    sandbox: Sandbox

    async def order(self, *, is_without_item: bool) -> str:
        [placed] = await self.sandbox.place("unknown_item" if is_without_item else "plain")
        if not is_without_item:
            return f"order {placed['name']} is placed: tillbridge trace {placed['number']}"
        return (
            f"order {placed['name']} is placed, of {placed['sku']}, which Heartland does not know: "
            f"tillbridge parked list\nwhen you have seen it wait: tillbridge sandbox item {placed['sku']}"
        )

    async def item(self, sku: str) -> str:
        await self.sandbox.add_item(sku)
        return f"Heartland has {sku}: what waits for it goes on within seconds"

    async def poison(self, count: int) -> str:
        stated = [placed["name"] for placed in await self.sandbox.place("invalid_currency", count)]
        lost = await self._lose_currency()
        return (
            f"{', '.join(stated)}: Shopify states a currency that there is not. "
            "`tillbridge sandbox mend` corrects it there; then replay\n"
            f"{lost}: lost its currency between two services: correct it by `tillbridge dlq edit`\n"
            "now: tillbridge alerts list"
        )

    async def _lose_currency(self) -> str:
        [placed] = await self.sandbox.place("silent")
        poisoned = without_currency(await self.sandbox.order(placed["id"]), self.place.connection)
        settings = Settings.from_env(self.place.environ(environment()))
        async with open_producer(settings, SystemClock()) as producer:
            await producer.send(CANONICAL_ORDER, poisoned)
        return str(placed["name"])

    async def mend(self) -> str:
        """Without a webhook: so it is the replay that brings the order over."""
        mended = await self.sandbox.restore_currency()
        return f"{', '.join(mended) or 'nothing'} corrected in Shopify: tillbridge dlq replay --reason currency"


def find_sandbox(environ: Mapping[str, str]) -> tuple[Place, str]:
    """Raises Misconfigured where none runs."""
    place = find(environ)
    if not place.sandbox_url:
        raise Misconfigured(f"no sandbox runs here: {_REMEDY}")
    return place, place.sandbox_url


async def _at_desk(wish: Callable[[_Desk], Coroutine[Any, Any, str]]) -> str:
    place, url = find_sandbox(environment())
    async with aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()) as session:
        return await wish(_Desk(place, Sandbox(url, session)))


def _say(wish: Callable[[_Desk], Coroutine[Any, Any, str]]) -> None:
    try:
        console().print(asyncio.run(_at_desk(wish)), markup=False)
    except IntegrationError as error:
        fail(error.reason)
    except KeyboardInterrupt:
        fail("interrupted", 130)


@app.command(name="order")
def place_order(
    missing_item: Annotated[
        bool, typer.Option("--missing-item", help="With an item that Heartland does not know yet.")
    ] = False,
) -> None:
    """Place one more order in the shop."""
    _say(lambda desk: desk.order(is_without_item=missing_item))


@app.command(name="item")
def add_item(sku: Annotated[str, typer.Argument(help="The item's number.")]) -> None:
    """Add an item to Heartland."""
    _say(lambda desk: desk.item(sku))


@app.command(name="poison")
def poison(
    count: Annotated[int, typer.Option(min=1, max=_NO_MORE_THAN, help="How many, and one more to be edited.")] = 3,
) -> None:
    """Place orders that cannot work as they are, for the story of a dead letter."""
    _say(lambda desk: desk.poison(count))


@app.command(name="mend")
def mend() -> None:
    """Correct in Shopify what `poison` made wrong there."""
    _say(lambda desk: desk.mend())
