"""Shipments: found in Heartland, written to Shopify. What should be there is folded from what the store did.

A shipment says articles, not lines: so units are compared by SKU, under the tracking number that is the shipment's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tests.prove.check.case import Case, Write
from tests.prove.check.entity import Entity, Fact
from tests.prove.check.road import Step
from tests.prove.history import Mutation

Json = dict[str, Any]
Shipments = dict[str, Counter[str]]
NAME = "fulfilment"
FULFIL = "fulfillmentCreate"
# The article of lines that have no SKU in Shopify.
_PLACEHOLDER = "MISC"


def invoice(body: Json) -> str:
    """The invoice that a raw record is about."""
    there = body.get("invoice")
    return str(there.get("id")) if isinstance(there, dict) else ""


READ = Step(
    "raw.heartland.fulfilment", "transformers", "transformer-fulfilment", vendors=("heartland",),
    onwards="canonical.fulfilment", mark=invoice,
)  # fmt: skip
WRITE = Step("canonical.fulfilment", "shopify_writer", "shopify_writer", vendors=("shopify",))


def unshipped(case: Case) -> Iterator[str]:
    """Invoices that the store completed, but that are on no topic."""
    there = {entry.mark for entry in case.road.entries[READ.topic]}
    for row in case.mutations:
        if row.entity == NAME and row.happened and str(row.answer["invoice_id"]) not in there:
            yield f"invoice {row.answer['invoice_id']} of {row.name} was completed, but is on no topic"


def expected(history: Iterable[Mutation], goods: set[int]) -> Shipments:
    """Units by SKU of each shipment. `goods` are the Heartland lines that stand for lines of Shopify's."""
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
    """One shipment may be several fulfilments, one per location."""
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


def differences(_: Case, life: Sequence[Mutation], book: Json) -> Iterator[str]:
    there, shop = book.get("heartland"), book.get("shopify")
    if there and shop:
        yield from _differences(expected(life, goods(there)), actual(shop))


def facts(writes: Sequence[Write]) -> Iterator[Fact]:
    """By the tracking number, which every shipment has of its own, and the line that is shipped."""
    for write in _made(writes):
        wish = write.body["variables"]["fulfillment"]
        number = (wish.get("trackingInfo") or {}).get("number")
        for part in wish["lineItemsByFulfillmentOrder"]:
            for line in part["fulfillmentOrderLineItems"]:
                yield "shipped unit", f"{line['id'].rsplit('/', 1)[-1]} under {number}", write


def counts(writes: Sequence[Write]) -> Counter[str]:
    return Counter(shipments=sum(1 for _ in _made(writes)))


def reordered(case: Case) -> Iterator[str]:
    """The shipments of one order have numbered tracking numbers: 1Z<order>-<n>."""
    last: dict[str, int] = {}
    for write in _made(case.applied):
        number = str((write.body["variables"]["fulfillment"].get("trackingInfo") or {}).get("number"))
        order, _, part = number.rpartition("-")
        if not order or not part.isdigit():
            continue
        if int(part) < last.get(order, 0):
            yield f"shipment {number} came after {order}-{last[order]}, by {write}"
        last[order] = max(int(part), last.get(order, 0))


def _made(writes: Sequence[Write]) -> Iterator[Write]:
    """Shopify answers 200 to what it refuses too."""
    for write in writes:
        payload = (write.response.get("data") or {}).get(FULFIL) or {}
        if write.operation == FULFIL and payload.get("fulfillment") and not payload.get("userErrors"):
            yield write


ENTITY = Entity(
    name=NAME,
    plural="fulfilments",
    subject="order",
    steps=(READ, WRITE),
    doors={"poller": READ.topic},
    actions=("ship",),
    unheard=unshipped,
    facts=facts,
    reordered=reordered,
    differences=differences,
    counts=counts,
)
