"""Orders: told by Shopify, written to Heartland."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tests.prove.check.case import Case
from tests.prove.check.entities.order import state, writes
from tests.prove.check.entity import Entity
from tests.prove.check.road import Step
from tests.prove.history import Mutation

Json = dict[str, Any]
READ = Step(
    "raw.shopify.order", "transformers", "transformer-order", vendors=("shopify",), onwards="canonical.order",
    collapses=True,
)  # fmt: skip
WRITE = Step("canonical.order", "heartland_writer", "heartland_writer", vendors=("heartland",), collapses=True)


def differences(case: Case, life: Sequence[Mutation], book: Json) -> Iterator[str]:
    there = book.get("heartland")
    if not there:
        yield "Heartland does not have it"
        return
    note_field = str(case.evidence.settings.get("note_field") or "note")
    yield from state.differences(state.expected(life), state.actual(there, note_field))
    yield from _status(life, there)
    yield from _identity(case, book, there)


def _status(life: Sequence[Mutation], there: Json) -> Iterator[str]:
    """Open until everything is shipped. Whether it is cancelled is a difference of the order's own."""
    shipped = [row for row in life if row.action == "ship"]
    wanted = shipped[-1].answer["status"] if shipped else "open"
    if there["order"]["status"] not in (wanted, "canceled"):
        yield f"its status is {there['order']['status']} instead of {wanted}"


def _identity(case: Case, book: Json, there: Json) -> Iterator[str]:
    """The Shopify order names the Heartland order that stands for it."""
    noted = {row["key"]: row["value"] for row in book["shopify"]["metafields"] if row["namespace"] == "tillbridge"}
    prefix = case.evidence.settings.get("order_prefix", "S-")
    wanted = {
        "heartland_order_id": str(there["order"]["id"]),
        "heartland_order_number": f"{prefix}{book['name'].removeprefix('#')}",
    }
    if noted != wanted:
        yield f"Shopify notes {noted} instead of {wanted}"


ENTITY = Entity(
    name=state.NAME,
    plural="orders",
    subject=state.NAME,
    steps=(READ, WRITE),
    state=WRITE,
    doors={"ingress": READ.topic, "webhooks": READ.topic},
    actions=("new", "edit", "pay", "cancel"),
    facts=writes.facts,
    doubled=writes.standing_twice,
    reordered=writes.reordered,
    differences=differences,
    mixed_up=writes.mixed_up,
    counts=writes.counts,
)
