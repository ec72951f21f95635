"""What Shopify has of an article is what was last counted in the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.prove.check.case import Case, Write
from tests.prove.check.entity import Entity, Fact
from tests.prove.check.road import Step
from tests.prove.history import Mutation

Json = dict[str, Any]
READ = Step(
    "raw.heartland.stock", "transformers", "transformer-stock", vendors=("heartland",), onwards="canonical.stock",
    collapses=True, mark=lambda body: str(body.get("count")),
)  # fmt: skip
WRITE = Step("canonical.stock", "shopify_writer", "shopify_writer", vendors=("shopify",), collapses=True)


def unheard(case: Case) -> Iterator[str]:
    there = {entry.mark for entry in case.road.entries[READ.topic]}
    for row in case.mutations:
        if row.entity == "stock" and str(row.answer["id"]) not in there:
            yield f"count {row.answer['id']} is on no topic"


def facts(writes: Sequence[Write]) -> Iterator[Fact]:
    for write in writes:
        if write.operation == "inventorySetQuantities":
            yield "count", str(write.body["reference"]), write


def counts(writes: Sequence[Write]) -> Mapping[str, int]:
    return {"counts": sum(1 for _ in facts(writes))}


def differences(_: Case, life: Sequence[Mutation], book: Json) -> Iterator[str]:
    wanted, there = life[-1].details["qty"], book["shopify"]["available"]
    if there != wanted:
        yield f"{there} instead of {wanted}"


ENTITY = Entity(
    name="stock",
    plural="stock levels",
    subject="stock",
    steps=(READ, WRITE),
    state=WRITE,
    doors={"poller": READ.topic},
    actions=("count",),
    unheard=unheard,
    facts=facts,
    differences=differences,
    counts=counts,
)
