"""Generates orders: paid at once or in parts, edited, cancelled; some for items that Heartland does not have yet."""

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
from tests.prove.generate.plan import (
    NEW_SHARE,
    ChangeResult,
    Control,
    Json,
    PlannedChange,
    Raw,
    SubjectState,
    change_note,
)
from tests.prove.generate.poison import Poison, PoisonKind

NAME = "order"
FIRST_NUMBER = 1001
_LATE_SECONDS = (4.0, 12.0)

# Lifecycles of an order with their share in percent. `ship` and `part` are made by fulfilment.py.
LIFECYCLES: tuple[tuple[int, tuple[str, ...]], ...] = (
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


def plan(seed: int, orders: int, seconds: float) -> list[PlannedChange]:
    """The changes of all orders, without their shipments."""
    return [change for change in changes(seed, orders, seconds) if change.action not in SHIPS]


def changes(seed: int, orders: int, seconds: float) -> Iterator[PlannedChange]:
    """Whole lifecycles; the same arguments give the same changes."""
    random = Random(f"orders/{seed}")
    weights = [weight for weight, _ in LIFECYCLES]
    for number in range(FIRST_NUMBER, FIRST_NUMBER + orders):
        (_, lifecycle), at = random.choices(LIFECYCLES, weights)[0], random.random() * seconds * NEW_SHARE
        seq = 0
        for word in lifecycle:
            action, _, how = word.partition(" ")
            seq += action not in (*SHIPS, "goods")
            yield PlannedChange(at, number, NAME, action, 0 if action in (*SHIPS, "goods") else seq, {"how": how})
            at += random.uniform(*_LATE_SECONDS) if word == "new late" else 0.3 + random.expovariate(0.5)


def seed_data() -> Iterator[tuple[str, Json]]:
    # The stricter of two assumptions about Heartland: a payment above the outstanding amount is rejected.
    yield "/heartland/behaviour_flags", {"strict_payments": True}
    yield from (("/heartland/items", item) for item in _goods())


def _goods() -> Iterator[Json]:
    """Every item that orders use, in Heartland's format."""
    for style, code, price in basket.STYLES:
        for colour, colour_code in basket.COLOURS:
            for size in basket.SIZES:
                sku = f"{code}-{colour_code}-{size}"
                yield {"public_id": sku, "description": f"{style} - {colour} / {size}", "price": price / 100}


async def execute(change: PlannedChange, subject: SubjectState, control: Control) -> ChangeResult:
    """Makes the change in the shop, or creates the missing item in Heartland."""
    if change.action == "new":
        return await _place(change, subject, control)
    if change.action == "goods":
        details: Json = {"public_id": late_sku(subject.number), "price": "19.00"}
        return ChangeResult(*await control("POST", "/heartland/items", details), details)
    details = _DETAILS[change.action](subject, change.details["how"])
    body = {**details, **change_note(change.seq)}
    status, answer = await control("POST", f"/shopify/orders/{subject.id}/{change.action}", body)
    return ChangeResult(status, _small(answer), details)


async def _place(change: PlannedChange, subject: SubjectState, control: Control) -> ChangeResult:
    document = demo_orders.order(subject.seed, subject.number, datetime.now(UTC)) | change_note(change.seq)
    how = change.details["how"]
    if how == "pending":
        document |= {"financial_status": "pending", "transactions": [], "total_outstanding": document["total_price"]}
    if how == "late":
        document["line_items"][0]["sku"] = late_sku(subject.number)
    # `items=false`: the regular items exist already, and the late one must not be created.
    status, answer = await control("POST", "/shopify/orders?items=false", document)
    subject.id, subject.document = str(document["id"]), document
    return ChangeResult(status, _small(answer), {"document": document, "how": how})


def _small(answer: Json) -> Json:
    """The answer without the whole order, which is part of the final state."""
    left_out = ("order", "transactions", "fulfillment_orders", "fulfillments", "metafields", "tags")
    return {name: value for name, value in answer.items() if name not in left_out}


def late_sku(number: int) -> str:
    return f"LATE-{number}"


def _edit(subject: SubjectState, how: str) -> Json:
    """An edit that adds a line, removes one, or changes only the note."""
    return {"add": lambda: {"add": [_extra_line(subject)]}, "remove": lambda: _removal(subject), "note": dict}[how]()


def _payment(subject: SubjectState, how: str) -> Json:
    """A payment of a third of the order's first total, or of the whole outstanding amount."""
    if how != "part":
        return {"amount": None}
    cents = int(Decimal(subject.document["total_price"]) * 100) // 3
    return {"amount": f"{cents // 100}.{cents % 100:02d}"}


def _extra_line(subject: SubjectState) -> dict[str, Any]:
    """A new line without tax, so that its amount needs no rounding."""
    style, code, price = basket.STYLES[subject.number % len(basket.STYLES)]
    return {"sku": f"{code}-NVY-M", "title": style, "quantity": 1 + subject.number % 2, "price": f"{price / 100:.2f}"}


def _removal(subject: SubjectState) -> Json:
    """Removes the last of several lines as a whole: a part of a taxed line would need rounding."""
    lines = subject.document["line_items"]
    if len(lines) < 2:
        return {}
    return {"remove": [{"line_item_id": lines[-1]["id"], "quantity": lines[-1]["quantity"]}]}


def _cancellation(_: SubjectState, __: str) -> Json:
    return {"reason": "customer", "refund": False}


_DETAILS: Mapping[str, Callable[[SubjectState, str], Json]] = {"edit": _edit, "pay": _payment, "cancel": _cancellation}


async def create_unannounced(document: Json, control: Control) -> tuple[SubjectState, ChangeResult]:
    """Creates an order in the shop without a webhook."""
    status, answer = await control("POST", "/shopify/orders?items=false", {**document, "webhook": False})
    subject = SubjectState(0, int(document["name"].removeprefix("#")), str(document["id"]), document, 1)
    return subject, ChangeResult(status, _small(answer), {"document": document, "how": ""})


def store_number(name: str) -> str:
    """The public id of a Shopify order in Heartland."""
    return f"S-{name.removeprefix('#')}"


async def read(order: str, name: str, control: Control, raw: Raw) -> Json:
    """The final state of an order at both vendors."""
    _, shop = await control("GET", f"/shopify/orders/{order}", None)
    status, store = await raw("GET", f"/heartland/orders/{store_number(name)}", None)
    # Undecoded, so that amounts are stored exactly as the sandbox wrote them.
    return {"shopify": shop, "heartland": orjson.Fragment(store) if status == 200 else None}


def _without_currency(kind: PoisonKind, at: float, seed: int, n: int, connection: str) -> Poison:
    """An order record whose currency a faulty program lost; its repaired body is the same with the currency."""
    document = demo_orders.order(seed, poison.FIRST_NUMBER + n, datetime.now(UTC)) | change_note(1)
    lost = without_currency(document, connection)
    body = orjson.loads(lost.body)
    body["record"]["currency"] = document["currency"]
    kind = replace(kind, body=lost.body, repaired=orjson.dumps(body))
    return Poison(at, kind, replace(lost, id=poison.name_of(seed, n), source="proof"), document)


POISON_KINDS = (
    PoisonKind(
        "no currency", CANONICAL_ORDER, "heartland_writer", NAME, "tillbridge.order.v1", expected_outcome="applied",
        make=_without_currency,
    ),
    # A webhook of a draft order: its id is not an order's.
    PoisonKind("no order", RAW_SHOPIFY_ORDER, "transformers", NAME, "shopify.orders/updated", b'{"id":"draft"}'),
    PoisonKind(
        "a future schema", CANONICAL_ORDER, "heartland_writer", NAME, "tillbridge.order.v9",
        b'{"schema_name":"tillbridge.order/9","essence":{}}',
    ),
)  # fmt: skip

GENERATOR = Generator(
    name=NAME,
    plural="orders",
    subject=NAME,
    plan=plan,
    execute=execute,
    seed_data=seed_data,
    poison_kinds=POISON_KINDS,
    create_unannounced=create_unannounced,
    read=read,
)
