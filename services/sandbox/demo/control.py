"""The control API for demos: start a demo day, place valid or faulty orders, correct faulty ones."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from services.sandbox.demo import faulty
from services.sandbox.demo.day import FIRST_NUMBER, DemoDay
from services.sandbox.demo.orders import order
from services.sandbox.heartland.account import Heartland
from services.sandbox.shopify import shop as shops
from services.sandbox.shopify.placing import place
from services.sandbox.shopify.shop import Shop
from services.sandbox.world import World

Json = dict[str, Any]
KINDS = ("plain", "unknown_item", "invalid_currency", "silent")
MAX_ORDERS = 100


def routes(world: World) -> list[web.RouteDef]:
    demo, base = Demo(world), "/_sandbox/demo"
    return [
        web.post(f"{base}/day", demo.start_day),
        web.get(f"{base}/day", demo.read_day),
        web.post(f"{base}/orders", demo.place_orders),
        web.post(f"{base}/restore_currency", demo.restore_currency),
    ]


def next_number(names: list[str]) -> int:
    """The number after the highest of `#1012`, ..."""
    numbers = [int(digits) for name in names if (digits := name.removeprefix("#")).isdecimal()]
    return max((*numbers, FIRST_NUMBER - 1)) + 1


class Demo:
    def __init__(self, world: World) -> None:
        self._world = world
        self._day: DemoDay | None = None

    @property
    def _shop(self) -> Shop:
        return shops.of(self._world)

    @property
    def _account(self) -> Heartland:
        return self._world.part(Heartland, Heartland)

    async def start_day(self, request: web.Request) -> web.Response:
        """Starts a day with `{"orders": 12}`; ids come from `seed`, by default from the clock.

        Without a seed, ids differ in each run, since a database may outlive the sandbox.
        """
        body = await _object(request)
        count, seed = body.get("orders", 12), body.get("seed", int(self._world.clock.now().timestamp()))
        if not _is_count(count) or not isinstance(seed, int):
            return _bad_request(f"orders must be a whole number up to {MAX_ORDERS}, seed a whole number")
        self._day = DemoDay(self._world, self._shop, self._account, seed, count)
        self._world.spawn(self._day.run())
        return _answer(self._day.progress())

    async def read_day(self, _: web.Request) -> web.Response:
        """The day's progress; 404 if none was started."""
        return _answer(self._day.progress()) if self._day else _answer({"error": "no day was started"}, 404)

    async def place_orders(self, request: web.Request) -> web.Response:
        """Places new orders of one kind: `{"kind": "plain", "count": 1}`.

        `unknown_item`: Heartland lacks the item of its first line. `invalid_currency`: Shopify states a currency that
        does not exist. `silent`: no webhook is sent.
        """
        body = await _object(request)
        kind, count = body.get("kind", "plain"), body.get("count", 1)
        if kind not in KINDS or not _is_count(count):
            return _bad_request(f"kind must be one of {', '.join(KINDS)}, count a whole number up to {MAX_ORDERS}")
        return _answer({"orders": [self._place(kind) for _ in range(count)]})

    def _place(self, kind: str) -> Json:
        now = self._world.clock.now()
        number = next_number([entry.name for entry in self._shop.orders.entries()])
        document, sku = order(int(now.timestamp()), number, now), ""
        if kind == "unknown_item":
            sku = f"NEW-{number}"
            for line in document["line_items"][1:]:
                self._account.ensure_item(line["sku"], line["name"], line["price"])
            document = faulty.with_unknown_item(document, sku)
        elif kind == "invalid_currency":
            document = faulty.with_invalid_currency(document)
        place(self._shop, document, makes_items=kind != "unknown_item", sends_webhooks=kind != "silent")
        return {"id": document["id"], "name": document["name"], "number": number, "sku": sku}

    async def restore_currency(self, _: web.Request) -> web.Response:
        """Corrects every order with an invalid currency, without a webhook: only a replay can then write it."""
        restored = []
        for entry in list(self._shop.orders.entries()):
            doc = self._shop.orders.get(entry.id)
            if doc is None or doc["rest"]["currency"] != faulty.INVALID_CURRENCY:
                continue
            body = {**doc["rest"], "transactions": doc["payments"]}
            place(self._shop, faulty.with_currency_restored(body), sends_webhooks=False)
            restored.append(entry.name)
        return _answer({"orders": restored})


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_ORDERS


async def _object(request: web.Request) -> Json:
    try:
        body: Any = orjson.loads(await request.read() or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _answer(body: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def _bad_request(message: str) -> web.Response:
    return _answer({"error": message}, 400)
