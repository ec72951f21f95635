"""Orders: read from Shopify, written to Heartland."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tests.prove.check.entities.order import state, writes
from tests.prove.check.entity import Entity
from tests.prove.check.run_data import RunData
from tests.prove.check.topic_data import Stage
from tests.prove.history import Mutation

Json = dict[str, Any]
READ = Stage(
    "raw.shopify.order", "transformers", "transformer-order", vendors=("shopify",), output_topic="canonical.order",
    collapses=True,
)  # fmt: skip
WRITE = Stage("canonical.order", "heartland_writer", "heartland_writer", vendors=("heartland",), collapses=True)


def differences(data: RunData, lifecycle: Sequence[Mutation], final: Json) -> Iterator[str]:
    there = final.get("heartland")
    if not there:
        yield "missing in Heartland"
        return
    note_field = str(data.evidence.settings.get("note_field") or "note")
    yield from state.differences(state.expected(lifecycle), state.actual(there, note_field))
    yield from _status(lifecycle, there)
    yield from _identity(data, final, there)


def _status(lifecycle: Sequence[Mutation], there: Json) -> Iterator[str]:
    """The status is open until everything is shipped; a cancellation is compared in `state`."""
    shipped = [row for row in lifecycle if row.action == "ship"]
    wanted = shipped[-1].answer["status"] if shipped else "open"
    if there["order"]["status"] not in (wanted, "canceled"):
        yield f"status {there['order']['status']} instead of {wanted}"


def _identity(data: RunData, final: Json, there: Json) -> Iterator[str]:
    """The Shopify order's metafields must name the linked Heartland order."""
    noted = {row["key"]: row["value"] for row in final["shopify"]["metafields"] if row["namespace"] == "tillbridge"}
    prefix = data.evidence.settings.get("order_prefix", "S-")
    wanted = {
        "heartland_order_id": str(there["order"]["id"]),
        "heartland_order_number": f"{prefix}{final['name'].removeprefix('#')}",
    }
    if noted != wanted:
        yield f"Shopify metafields {noted} instead of {wanted}"


ENTITY = Entity(
    name=state.NAME,
    plural="orders",
    subject=state.NAME,
    stages=(READ, WRITE),
    state=WRITE,
    entry_points={"ingress": READ.topic, "webhooks": READ.topic},
    actions=("new", "edit", "pay", "cancel"),
    facts=writes.facts,
    duplicates=writes.added_twice,
    reordered=writes.reordered,
    differences=differences,
    identity_errors=writes.identity_errors,
    counts=writes.counts,
)
