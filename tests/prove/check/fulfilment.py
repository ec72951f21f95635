"""What was shipped of an order, folded from what the store did; and what Shopify has of it.

A shipment says articles, not lines: so units are compared by SKU, under the tracking number that is the shipment's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from tests.prove.history import Mutation

Json = dict[str, Any]
Shipments = dict[str, Counter[str]]
ENTITY = "fulfilment"
# The article of lines that have no SKU in Shopify.
_PLACEHOLDER = "MISC"


def expected(history: Iterable[Mutation], goods: set[int]) -> Shipments:
    """Units by SKU of each shipment. `goods` are the Heartland lines that stand for lines of Shopify's."""
    found: Shipments = {}
    for row in history:
        if row.entity != ENTITY or not row.happened:
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


def differences(wanted: Shipments, there: Shipments) -> Iterator[str]:
    for number in sorted(wanted.keys() | there.keys()):
        if wanted.get(number) != there.get(number):
            yield f"shipment {number}: {_units(there.get(number))} instead of {_units(wanted.get(number))}"


def _units(units: Counter[str] | None) -> str:
    return ", ".join(f"{count} x {sku}" for sku, count in units.items()) if units else "nothing"
