"""Generates stock counts in the store."""

from __future__ import annotations

from collections.abc import Iterator

from shared.entities.fulfilment.spec import RAW_HEARTLAND_FULFILMENT
from tests.prove.generate.generator import Generator
from tests.prove.generate.plan import ChangeResult, Control, Json, PlannedChange, Raw, SubjectState
from tests.prove.generate.poison import PoisonKind

NAME = "stock"


def plan(_: int, orders: int, seconds: float) -> list[PlannedChange]:
    return [
        PlannedChange(seconds * turn / 2, 1001 + n, NAME, "count") for n in range(orders // 100) for turn in range(2)
    ]


def seed_data() -> Iterator[tuple[str, Json]]:
    yield "/heartland/shelves", {"public_id": "front"}


async def execute(change: PlannedChange, subject: SubjectState, control: Control) -> ChangeResult:
    subject.id = subject.name = f"MUG-{change.number}"
    details: Json = {"sku": subject.id, "qty": change.number}
    return ChangeResult(*await control("POST", "/heartland/counts", details), details)


async def create_unannounced(document: Json, control: Control) -> tuple[SubjectState, ChangeResult]:
    subject = SubjectState(0, 0, document["sku"], document, name=document["sku"])
    return subject, ChangeResult(*await control("POST", "/heartland/counts", document), document)


async def read(sku: str, _: str, control: Control, __: Raw) -> Json:
    status, level = await control("GET", f"/shopify/levels/{sku}", None)
    return {"shopify": level if status == 200 else None}


GENERATOR = Generator(
    name=NAME,
    plural="stock levels",
    subject=NAME,
    plan=plan,
    execute=execute,
    seed_data=seed_data,
    poison_kinds=(PoisonKind("no quantity", RAW_HEARTLAND_FULFILMENT, "transformers", NAME, "heartland.count", b"{}"),),
    create_unannounced=create_unannounced,
    read=read,
)
