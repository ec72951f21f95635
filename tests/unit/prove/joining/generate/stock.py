"""Stock, counted in the store."""

from __future__ import annotations

from collections.abc import Iterator

from shared.entities.fulfilment.spec import RAW_HEARTLAND_FULFILMENT
from tests.prove.generate.generator import Generator
from tests.prove.generate.plan import Control, Done, Json, Placed, Planned, Raw
from tests.prove.generate.poison import Kind

NAME = "stock"


def plan(_: int, orders: int, seconds: float) -> list[Planned]:
    return [Planned(seconds * turn / 2, 1001 + n, NAME, "count") for n in range(orders // 100) for turn in range(2)]


def stock() -> Iterator[tuple[str, Json]]:
    yield "/heartland/shelves", {"public_id": "front"}


async def carry_out(step: Planned, placed: Placed, control: Control) -> Done:
    placed.id = placed.name = f"MUG-{step.number}"
    details: Json = {"sku": placed.id, "qty": step.number}
    return Done(*await control("POST", "/heartland/counts", details), details)


async def place(document: Json, control: Control) -> tuple[Placed, Done]:
    placed = Placed(0, 0, document["sku"], document, name=document["sku"])
    return placed, Done(*await control("POST", "/heartland/counts", document), document)


async def read(sku: str, _: str, control: Control, __: Raw) -> Json:
    status, level = await control("GET", f"/shopify/levels/{sku}", None)
    return {"shopify": level if status == 200 else None}


GENERATOR = Generator(
    name=NAME,
    plural="stock levels",
    subject=NAME,
    plan=plan,
    carry_out=carry_out,
    stock=stock,
    kinds=(Kind("no quantity", RAW_HEARTLAND_FULFILMENT, "transformers", NAME, "heartland.count", b"{}"),),
    place=place,
    read=read,
)
