"""Shipments in Heartland, whole and in parts, each with a tracking number of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from shared.entities.fulfilment.spec import CANONICAL_FULFILMENT, RAW_HEARTLAND_FULFILMENT
from tests.prove.generate.entities import order
from tests.prove.generate.generator import Generator
from tests.prove.generate.plan import Control, Done, Json, Placed, Planned, seq_of
from tests.prove.generate.poison import Kind

NAME = "fulfilment"


def plan(seed: int, orders: int, seconds: float) -> list[Planned]:
    """The shipments within the lives that the orders lead."""
    ships = [step for step in order.steps(seed, orders, seconds) if step.action in order.SHIPS]
    return [replace(step, entity=NAME, action="ship", details={"how": step.action}) for step in ships]


def has_seen(placed: Placed, picture: Json) -> bool:
    """Whether the last change has begun to reach the store."""
    there = picture["order"]
    return there["status"] in ("open", "closed") and seq_of(there["custom"].get("note")) >= placed.seq


def agrees(shop: Json, picture: Json) -> bool:
    """Whether the change has reached it wholly: taxes and payments are written last.

    Of what was paid before an edit took goods off, the store may hold a part, but as much as the order costs.
    """
    paid = sum(_cents(row["amount"]) for row in shop["transactions"] if row["kind"] in ("sale", "capture"))
    booked = sum(_cents(row["amount"]) for row in picture["payments"])
    now = shop["order"]
    whole = now.get("current_total_price") or now["total_price"]
    return min(paid, _cents(whole)) <= booked <= paid and _cents(whole) == _cents(picture["order"]["total"])


def _cents(amount: object) -> int:
    return round(Decimal(str(amount)) * 100)


async def carry_out(step: Planned, placed: Placed, control: Control) -> Done | None:
    """Ship in Heartland; None while the store has not got the order as it stands.

    Goods that leave while an edit or a payment is on its way are for a person to settle: there is no right end.
    """
    number = order.store_number(placed.name)
    status, picture = await control("GET", f"/heartland/orders/{number}", None)
    if status != 200 or not has_seen(placed, picture):
        return None
    _, shop = await control("GET", f"/shopify/orders/{placed.id}", None)
    if not agrees(shop, picture):
        return None
    shipped_before = len(picture["invoices"])
    details: Json = {
        "heartland": number,
        "lines": first_part(picture["lines"]) if step.details["how"] == "part" else None,
        "tracking_number": f"1Z{placed.number}-{shipped_before + 1}",
        "carrier": "UPS",
    }
    if picture["order"]["status"] == "closed":  # the first part was the only unit
        return Done(409, {"error": "nothing is left to ship"}, details)
    body = {name: value for name, value in details.items() if value is not None and name != "heartland"}
    return Done(*await control("POST", f"/heartland/orders/{number}/ship", body), details)


def first_part(lines: Sequence[Json]) -> list[Json]:
    """Half of the units, rounded up, of every line but the last; half of the only one."""
    some = lines[:-1] or lines
    return [{"line_id": line["id"], "qty": (int(line["qty"]) + 1) // 2} for line in some]


KINDS = (
    Kind(
        "half an invoice", RAW_HEARTLAND_FULFILMENT, "transformers", NAME, "heartland.invoice",
        b'{"invoice":{"id":7,"status":"pending"}}',
        b'{"invoice":{"id":7,"status":"pending"},"lines":[]}',
        "skipped",
    ),
    Kind(
        "not JSON", CANONICAL_FULFILMENT, "shopify_writer", NAME, "tillbridge.fulfilment.v1",
        b'{"schema_name":"tillbridge.fulfilm',
    ),
)  # fmt: skip

GENERATOR = Generator(name=NAME, plural="fulfilments", subject=order.NAME, plan=plan, carry_out=carry_out, kinds=KINDS)
