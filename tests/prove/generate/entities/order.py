"""Orders: placed paid or to be paid in parts, edited, cancelled; some for goods that Heartland does not have yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import orjson

from services.cli.sandbox import without_currency
from services.sandbox.demo import basket
from services.sandbox.demo import orders as demo_orders
from shared.entities.order.spec import CANONICAL_ORDER, RAW_SHOPIFY_ORDER
from tests.prove.generate import poison
from tests.prove.generate.generator import Generator
from tests.prove.generate.plan import NEW_SHARE, Control, Done, Json, Placed, Planned, Raw, remark
from tests.prove.generate.poison import Kind, Poison

NAME = "order"
FIRST_NUMBER = 1001
_LATE_SECONDS = (4.0, 12.0)

# Lives of an order and how many of a hundred lead them. `ship` and `part` are the other direction's: see fulfilment.
LIVES: tuple[tuple[int, tuple[str, ...]], ...] = (
    (26, ("new", "ship")),
    (12, ("new", "part", "ship")),
    (14, ("new pending", "pay part", "pay", "ship")),
    (10, ("new", "edit note", "edit add", "pay", "ship")),
    (8, ("new", "edit remove", "part", "ship")),
    (4, ("new", "edit remove", "edit add", "ship")),
    (8, ("new pending", "cancel")),
    (6, ("new", "edit note", "cancel")),
    (8, ("new pending", "pay part", "edit add", "pay", "part", "ship")),
    (4, ("new late", "edit note", "goods", "ship")),
    (4, ("new",)),
)
SHIPS = ("part", "ship")


def plan(seed: int, orders: int, seconds: float) -> list[Planned]:
    """The changes of so many orders within so many seconds, those of fulfilments left out."""
    return [step for step in steps(seed, orders, seconds) if step.action not in SHIPS]


def steps(seed: int, orders: int, seconds: float) -> Iterator[Planned]:
    """Whole lives: the same arguments give the same ones."""
    random = Random(f"orders/{seed}")
    weights = [weight for weight, _ in LIVES]
    for number in range(FIRST_NUMBER, FIRST_NUMBER + orders):
        (_, life), at = random.choices(LIVES, weights)[0], random.random() * seconds * NEW_SHARE
        seq = 0
        for word in life:
            action, _, how = word.partition(" ")
            seq += action not in (*SHIPS, "goods")
            yield Planned(at, number, NAME, action, 0 if action in (*SHIPS, "goods") else seq, {"how": how})
            at += random.uniform(*_LATE_SECONDS) if word == "new late" else 0.3 + random.expovariate(0.5)


def stock() -> Iterator[tuple[str, Json]]:
    # The sterner of two assumptions: a payment above what an order owes is refused.
    yield "/heartland/switches", {"strict_payments": True}
    yield from (("/heartland/items", item) for item in _goods())


def _goods() -> Iterator[Json]:
    """Every article that orders are made of, as Heartland takes items."""
    for style, code, price in basket.STYLES:
        for colour, colour_code in basket.COLOURS:
            for size in basket.SIZES:
                sku = f"{code}-{colour_code}-{size}"
                yield {"public_id": sku, "description": f"{style} - {colour} / {size}", "price": price / 100}


async def carry_out(step: Planned, placed: Placed, control: Control) -> Done:
    """Make the change in the shop."""
    if step.action == "new":
        return await _place(step, placed, control)
    if step.action == "goods":
        details: Json = {"public_id": late_sku(placed.number), "price": "19.00"}
        return Done(*await control("POST", "/heartland/items", details), details)
    details = _DETAILS[step.action](placed, step.details["how"])
    body = {**details, **remark(step.seq)}
    status, answer = await control("POST", f"/shopify/orders/{placed.id}/{step.action}", body)
    return Done(status, _small(answer), details)


async def _place(step: Planned, placed: Placed, control: Control) -> Done:
    document = demo_orders.order(placed.seed, placed.number, datetime.now(UTC)) | remark(step.seq)
    how = step.details["how"]
    if how == "pending":
        document |= {"financial_status": "pending", "transactions": [], "total_outstanding": document["total_price"]}
    if how == "late":
        document["line_items"][0]["sku"] = late_sku(placed.number)
    # The articles are there; the late ones must not be.
    status, answer = await control("POST", "/shopify/orders?items=false", document)
    placed.id, placed.document = str(document["id"]), document
    return Done(status, _small(answer), {"document": document, "how": how})


def _small(answer: Json) -> Json:
    """Without the whole order, which a cancellation answers with: the books have it."""
    left_out = ("order", "transactions", "fulfillment_orders", "fulfillments", "metafields", "tags")
    return {name: value for name, value in answer.items() if name not in left_out}


def late_sku(number: int) -> str:
    return f"LATE-{number}"


def _edit(placed: Placed, how: str) -> Json:
    """A line more, a line less, or only another note."""
    return {"add": lambda: {"add": [_extra_line(placed)]}, "remove": lambda: _removal(placed), "note": dict}[how]()


def _payment(placed: Placed, how: str) -> Json:
    """A third of the order's first total, or all that is outstanding."""
    if how != "part":
        return {"amount": None}
    cents = int(Decimal(placed.document["total_price"]) * 100) // 3
    return {"amount": f"{cents // 100}.{cents % 100:02d}"}


def _extra_line(placed: Placed) -> dict[str, Any]:
    """One more article, without tax, so that it is exact whatever the place."""
    style, code, price = basket.STYLES[placed.number % len(basket.STYLES)]
    return {"sku": f"{code}-NVY-M", "title": style, "quantity": 1 + placed.number % 2, "price": f"{price / 100:.2f}"}


def _removal(placed: Placed) -> Json:
    """The last of several lines as a whole: parts of a taxed line would be rounded, and by whom?"""
    lines = placed.document["line_items"]
    if len(lines) < 2:
        return {}
    return {"remove": [{"line_item_id": lines[-1]["id"], "quantity": lines[-1]["quantity"]}]}


def _cancellation(_: Placed, __: str) -> Json:
    return {"reason": "customer", "refund": False}


_DETAILS: Mapping[str, Callable[[Placed, str], Json]] = {"edit": _edit, "pay": _payment, "cancel": _cancellation}


async def place(document: Json, control: Control) -> tuple[Placed, Done]:
    """An order of its own, of which the shop tells nobody."""
    status, answer = await control("POST", "/shopify/orders?items=false", {**document, "webhook": False})
    placed = Placed(0, int(document["name"].removeprefix("#")), str(document["id"]), document, 1)
    return placed, Done(status, _small(answer), {"document": document, "how": ""})


def store_number(name: str) -> str:
    """How Heartland calls an order of the shop."""
    return f"S-{name.removeprefix('#')}"


async def read(order: str, name: str, control: Control, raw: Raw) -> Json:
    """What the shop and the store have of it."""
    _, shop = await control("GET", f"/shopify/orders/{order}", None)
    status, store = await raw("GET", f"/heartland/orders/{store_number(name)}", None)
    # Amounts are exact as the sandbox wrote them: they go into the file as they are.
    return {"shopify": shop, "heartland": orjson.Fragment(store) if status == 200 else None}


def _lose_currency(kind: Kind, at: float, seed: int, n: int, connection: str) -> Poison:
    """An order's own record, whose currency a faulty program lost. What works is the same one with its currency."""
    document = demo_orders.order(seed, poison.FIRST_NUMBER + n, datetime.now(UTC)) | remark(1)
    lost = without_currency(document, connection)
    body = orjson.loads(lost.body)
    body["record"]["currency"] = document["currency"]
    kind = replace(kind, body=lost.body, repaired=orjson.dumps(body))
    return Poison(at, kind, replace(lost, id=poison.name_of(seed, n), source="proof"), document)


KINDS = (
    Kind(
        "no currency", CANONICAL_ORDER, "heartland_writer", NAME, "tillbridge.order.v1", ends="applied",
        make=_lose_currency,
    ),
    # A draft order's notice: its id names no order.
    Kind("no order", RAW_SHOPIFY_ORDER, "transformers", NAME, "shopify.orders/updated", b'{"id":"draft"}'),
    Kind(
        "a future schema", CANONICAL_ORDER, "heartland_writer", NAME, "tillbridge.order.v9",
        b'{"schema_name":"tillbridge.order/9","essence":{}}',
    ),
)  # fmt: skip

GENERATOR = Generator(
    name=NAME,
    plural="orders",
    subject=NAME,
    plan=plan,
    carry_out=carry_out,
    stock=stock,
    kinds=KINDS,
    place=place,
    read=read,
)
