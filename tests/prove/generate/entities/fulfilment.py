"""Generates shipments in Heartland, whole and partial, each with a unique tracking number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from shared.entities.fulfilment.spec import CANONICAL_FULFILMENT, RAW_HEARTLAND_FULFILMENT
from tests.prove.generate.entities import order
from tests.prove.generate.generator import Generator
from tests.prove.generate.plan import ChangeResult, Control, Json, PlannedChange, SubjectState, seq_of
from tests.prove.generate.poison import PoisonKind

NAME = "fulfilment"


def plan(seed: int, orders: int, seconds: float) -> list[PlannedChange]:
    """The shipments within the lifecycles of the orders."""
    shipments = [change for change in order.changes(seed, orders, seconds) if change.action in order.SHIPS]
    return [replace(change, entity=NAME, action="ship", details={"how": change.action}) for change in shipments]


def has_change(subject: SubjectState, stored: Json) -> bool:
    """Whether the store has at least the header of the last change."""
    header = stored["order"]
    return header["status"] in ("open", "closed") and seq_of(header["custom"].get("note")) >= subject.seq


def agrees(shop: Json, stored: Json) -> bool:
    """Whether the store has the whole change, including taxes and payments, which are written last.

    If an edit removed goods after payment, the store may have a part of the payment, but at least the order's total.
    """
    paid = sum(_cents(row["amount"]) for row in shop["transactions"] if row["kind"] in ("sale", "capture"))
    booked = sum(_cents(row["amount"]) for row in stored["payments"])
    now = shop["order"]
    whole = now.get("current_total_price") or now["total_price"]
    return min(paid, _cents(whole)) <= booked <= paid and _cents(whole) == _cents(stored["order"]["total"])


def _cents(amount: object) -> int:
    return round(Decimal(str(amount)) * 100)


async def execute(change: PlannedChange, subject: SubjectState, control: Control) -> ChangeResult | None:
    """Ships in Heartland; None while the store does not have the order's current state.

    Shipping while an edit or a payment is still in transit needs a person's decision, so it has no expected result.
    """
    number = order.store_number(subject.name)
    status, stored = await control("GET", f"/heartland/orders/{number}", None)
    if status != 200 or not has_change(subject, stored):
        return None
    _, shop = await control("GET", f"/shopify/orders/{subject.id}", None)
    if not agrees(shop, stored):
        return None
    shipped_before = len(stored["invoices"])
    details: Json = {
        "heartland": number,
        "lines": first_part(stored["lines"]) if change.details["how"] == "part" else None,
        "tracking_number": f"1Z{subject.number}-{shipped_before + 1}",
        "carrier": "UPS",
    }
    if stored["order"]["status"] == "closed":  # the first shipment had the only unit
        return ChangeResult(409, {"error": "nothing is left to ship"}, details)
    body = {name: value for name, value in details.items() if value is not None and name != "heartland"}
    return ChangeResult(*await control("POST", f"/heartland/orders/{number}/ship", body), details)


def first_part(lines: Sequence[Json]) -> list[Json]:
    """Half of the units, rounded up, of every line but the last, or of the only line."""
    some = lines[:-1] or lines
    return [{"line_id": line["id"], "qty": (int(line["qty"]) + 1) // 2} for line in some]


POISON_KINDS = (
    PoisonKind(
        "half an invoice", RAW_HEARTLAND_FULFILMENT, "transformers", NAME, "heartland.invoice",
        b'{"invoice":{"id":7,"status":"pending"}}',
        b'{"invoice":{"id":7,"status":"pending"},"lines":[]}',
        "skipped",
    ),
    PoisonKind(
        "not JSON", CANONICAL_FULFILMENT, "shopify_writer", NAME, "tillbridge.fulfilment.v1",
        b'{"schema_name":"tillbridge.fulfilm',
    ),
)  # fmt: skip

GENERATOR = Generator(
    name=NAME, plural="fulfilments", subject=order.NAME, plan=plan, execute=execute, poison_kinds=POISON_KINDS
)
