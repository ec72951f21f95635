"""`tillbridge sandbox order|item|poison|mend`: things to try on the imitated shop, each with what to look at then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import aiohttp
import orjson
import typer

from deploy.local.traffic import order
from services.cli.day import FIRST_NUMBER
from services.cli.place import Place, environment, find
from shared.entities.order.event import order_event
from shared.entities.order.shopify import webhook_body as webhook
from shared.errors import IntegrationError, Misconfigured
from shared.messaging.envelope import Envelope, new_traceparent
from shared.messaging.kafka.producer import open_producer
from shared.messaging.topics import CANONICAL_ORDER
from shared.runtime.clock import SystemClock
from shared.runtime.output import console, fail
from shared.runtime.settings import Settings

Json = dict[str, Any]
# No currency, and known as ours by `mend`.
UNREADABLE = "US$"
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_REMEDY = "start it with `tillbridge run`, without accounts of your own, or set SANDBOX_URL"
_NO_MORE_THAN = 20

app = typer.Typer(help="Try things on the sandbox: an order, a missing item, poison.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The sandbox's own handles. Raises Misconfigured where it does not answer, or refuses."""

    url: str
    session: aiohttp.ClientSession

    async def orders(self) -> list[Json]:
        """`id` and `name` of each, oldest first."""
        return list((await self._ask("GET", "/_sandbox/shopify/orders?limit=1000000"))["orders"])

    async def order(self, number: str) -> Json:
        """Its body as Shopify would send it, with its payments."""
        state = await self._ask("GET", f"/_sandbox/shopify/orders/{number}")
        return {**state["order"], "transactions": state["transactions"]}

    async def post(self, document: Json) -> str:
        """The order's id. `items` and `webhook` in the document say whether items and notices are made of it."""
        return str((await self._ask("POST", "/_sandbox/shopify/orders", document))["id"])

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


def next_number(names: list[str]) -> int:
    """The number after the highest of `#1012`, ..."""
    numbers = [int(digits) for name in names if (digits := name.removeprefix("#")).isdecimal()]
    return max((*numbers, FIRST_NUMBER - 1)) + 1


def without_item(document: Json, sku: str) -> Json:
    """The order with a first line that Heartland has no item for."""
    first, *others = document["line_items"]
    return {**document, "line_items": [{**first, "sku": sku, "name": sku}, *others], "items": False}


def unreadable(document: Json) -> Json:
    """The order in a currency that there is not; the right one stands in its tags."""
    payments = [{**one, "amount_set": _money(one["amount"], one["currency"])} for one in document["transactions"]]
    return _in_currency({**document, "tags": document["currency"], "transactions": payments}, UNREADABLE)


def readable(document: Json) -> Json:
    return _in_currency({**document, "tags": ""}, str(document["tags"]))


def _money(amount: str, code: str) -> Json:
    money = {"amount": amount, "currency_code": code}
    return {"shop_money": money, "presentment_money": money}


def _in_currency(document: Json, code: str) -> Json:
    return {**document, "currency": code, "presentment_currency": code}


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

    async def new(self) -> Json:
        number = next_number([row["name"] for row in await self.sandbox.orders()])
        return order(int(time.time()), number, datetime.now(UTC))

    async def order(self, *, is_without_item: bool) -> str:
        document = await self.new()
        if not is_without_item:
            await self.sandbox.post(document)
            return f"order {document['name']} is placed: tillbridge trace {document['order_number']}"
        sku = f"NEW-{document['order_number']}"
        for line in document["line_items"][1:]:
            await self.sandbox.add_item(line["sku"])
        await self.sandbox.post(without_item(document, sku))
        return (
            f"order {document['name']} is placed, of {sku}, which Heartland does not know: tillbridge parked list\n"
            f"when you have seen it wait: tillbridge sandbox item {sku}"
        )

    async def item(self, sku: str) -> str:
        await self.sandbox.add_item(sku)
        return f"Heartland has {sku}: what waits for it goes on within seconds"

    async def poison(self, count: int) -> str:
        stated = []
        for _ in range(count):
            document = await self.new()
            await self.sandbox.post(unreadable(document))
            stated.append(document["name"])
        lost = await self._lose_currency()
        return (
            f"{', '.join(stated)}: Shopify states a currency that there is not. "
            "`tillbridge sandbox mend` corrects it there; then replay\n"
            f"{lost}: lost its currency between two services: correct it by `tillbridge dlq edit`\n"
            "now: tillbridge alerts list"
        )

    async def _lose_currency(self) -> str:
        document = await self.new()
        order_id = await self.sandbox.post({**document, "webhook": False})
        poisoned = without_currency(await self.sandbox.order(order_id), self.place.connection)
        settings = Settings.from_env(self.place.environ(environment()))
        async with open_producer(settings, SystemClock()) as producer:
            await producer.send(CANONICAL_ORDER, poisoned)
        return str(document["name"])

    async def mend(self) -> str:
        """Without a webhook: so it is the replay that brings the order over."""
        mended = []
        for row in await self.sandbox.orders():
            document = await self.sandbox.order(row["id"])
            if document["currency"] == UNREADABLE:
                await self.sandbox.post({**readable(document), "webhook": False})
                mended.append(row["name"])
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
