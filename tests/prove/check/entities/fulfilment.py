"""Shipments: read from Heartland, written to Shopify. The expected state is derived from the store's own changes.

Units are compared by SKU under each shipment's unique tracking number, since a shipment names items, not order lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tests.prove.check.entity import Entity, Fact
from tests.prove.check.run_data import RunData, Write
from tests.prove.check.topic_data import Stage
from tests.prove.history import Mutation

Json = dict[str, Any]
Shipments = dict[str, Counter[str]]
NAME = "fulfilment"
FULFIL = "fulfillmentCreate"
# The Heartland item of lines that have no SKU in Shopify.
_PLACEHOLDER = "MISC"


def invoice(body: Json) -> str:
    """The id of the invoice in a raw record."""
    there = body.get("invoice")
    return str(there.get("id")) if isinstance(there, dict) else ""


READ = Stage(
    "raw.heartland.fulfilment", "transformers", "transformer-fulfilment", vendors=("heartland",),
    output_topic="canonical.fulfilment", reference=invoice,
)  # fmt: skip
WRITE = Stage("canonical.fulfilment", "shopify_writer", "shopify_writer", vendors=("shopify",))


def unshipped(data: RunData) -> Iterator[str]:
    """Invoices that the store completed but that are on no topic."""
    there = {record.reference for record in data.topic_data.records[READ.topic]}
    for row in data.mutations:
        if row.entity == NAME and row.happened and str(row.answer["invoice_id"]) not in there:
            yield f"invoice {row.answer['invoice_id']} of {row.name} was completed but is on no topic"


def expected(history: Iterable[Mutation], goods: set[int]) -> Shipments:
    """By tracking number, units by SKU. `goods` are the ids of Heartland lines that represent Shopify lines."""
    found: Shipments = {}
    for row in history:
        if row.entity != NAME or not row.happened:
            continue
        units: Counter[str] = Counter()
        for line in row.answer["lines"]:
            if line["line_id"] in goods:
                units["" if line["sku"] == _PLACEHOLDER else line["sku"]] += int(line["qty"])
        found[row.details["tracking_number"]] = +units
    return {number: units for number, units in found.items() if units}


def goods(heartland: Json) -> set[int]:
    return {row["id"] for row in heartland["lines"] if str(row["custom"].get("shopify_line_id", "")).isdigit()}


def actual(shop: Json) -> Shipments:
    """By tracking number, units by SKU. One shipment may be several fulfilments, one per location."""
    found: Shipments = {}
    for row in shop["fulfillments"]:
        if row["status"] == "cancelled":
            continue
        units = found.setdefault(str(row["tracking_number"]), Counter())
        for line in row["line_items"]:
            units[str(line.get("sku") or "")] += int(line["quantity"])
    return found


def _differences(wanted: Shipments, there: Shipments) -> Iterator[str]:
    for number in sorted(wanted.keys() | there.keys()):
        if wanted.get(number) != there.get(number):
            yield f"shipment {number}: {_units(there.get(number))} instead of {_units(wanted.get(number))}"


def _units(units: Counter[str] | None) -> str:
    return ", ".join(f"{count} x {sku}" for sku, count in units.items()) if units else "nothing"


def differences(_: RunData, lifecycle: Sequence[Mutation], final: Json) -> Iterator[str]:
    there, shop = final.get("heartland"), final.get("shopify")
    if there and shop:
        yield from _differences(expected(lifecycle, goods(there)), actual(shop))


def facts(writes: Sequence[Write]) -> Iterator[Fact]:
    """Each shipped line, identified by the shipment's unique tracking number."""
    for write in _create(writes):
        given = write.body["variables"]["fulfillment"]
        number = (given.get("trackingInfo") or {}).get("number")
        for part in given["lineItemsByFulfillmentOrder"]:
            for line in part["fulfillmentOrderLineItems"]:
                yield "shipped unit", f"{line['id'].rsplit('/', 1)[-1]} under {number}", write


def counts(writes: Sequence[Write]) -> Counter[str]:
    return Counter(shipments=sum(1 for _ in _create(writes)))


def reordered(data: RunData) -> Iterator[str]:
    """Shipments of one order that were written out of order; tracking numbers are numbered: 1Z<order>-<n>."""
    last: dict[str, int] = {}
    for write in _create(data.applied):
        number = str((write.body["variables"]["fulfillment"].get("trackingInfo") or {}).get("number"))
        order, _, part = number.rpartition("-")
        if not order or not part.isdigit():
            continue
        if int(part) < last.get(order, 0):
            yield f"shipment {number} was written after {order}-{last[order]}, by {write}"
        last[order] = max(int(part), last.get(order, 0))


def _create(writes: Sequence[Write]) -> Iterator[Write]:
    """Writes that created a fulfilment; Shopify also answers 200 to a mutation that it rejects."""
    for write in writes:
        payload = (write.response.get("data") or {}).get(FULFIL) or {}
        if write.operation == FULFIL and payload.get("fulfillment") and not payload.get("userErrors"):
            yield write


ENTITY = Entity(
    name=NAME,
    plural="fulfilments",
    subject="order",
    stages=(READ, WRITE),
    entry_points={"poller": READ.topic},
    actions=("ship",),
    missing_inputs=unshipped,
    facts=facts,
    reordered=reordered,
    differences=differences,
    counts=counts,
)
