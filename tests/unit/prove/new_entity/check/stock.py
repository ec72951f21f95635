"""Shopify's stock of an item must be what was last counted in the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.prove.check.entity import Entity, Fact
from tests.prove.check.run_data import RunData, Write
from tests.prove.check.topic_data import Stage
from tests.prove.history import Mutation

Json = dict[str, Any]
READ = Stage(
    "raw.heartland.stock", "transformers", "transformer-stock", vendors=("heartland",), output_topic="canonical.stock",
    collapses=True, reference=lambda body: str(body.get("count")),
)  # fmt: skip
WRITE = Stage("canonical.stock", "shopify_writer", "shopify_writer", vendors=("shopify",), collapses=True)


def missing_inputs(data: RunData) -> Iterator[str]:
    there = {record.reference for record in data.topic_data.records[READ.topic]}
    for row in data.mutations:
        if row.entity == "stock" and str(row.answer["id"]) not in there:
            yield f"count {row.answer['id']} is on no topic"


def facts(writes: Sequence[Write]) -> Iterator[Fact]:
    for write in writes:
        if write.operation == "inventorySetQuantities":
            yield "count", str(write.body["reference"]), write


def counts(writes: Sequence[Write]) -> Mapping[str, int]:
    return {"counts": sum(1 for _ in facts(writes))}


def differences(_: RunData, lifecycle: Sequence[Mutation], final: Json) -> Iterator[str]:
    wanted, there = lifecycle[-1].details["qty"], final["shopify"]["available"]
    if there != wanted:
        yield f"{there} instead of {wanted}"


ENTITY = Entity(
    name="stock",
    plural="stock levels",
    subject="stock",
    stages=(READ, WRITE),
    state=WRITE,
    entry_points={"poller": READ.topic},
    actions=("count",),
    missing_inputs=missing_inputs,
    facts=facts,
    differences=differences,
    counts=counts,
)
