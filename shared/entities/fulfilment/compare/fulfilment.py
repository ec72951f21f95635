"""Compares shipments: not fulfilled in Shopify, or fulfilled by us and cancelled there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from shared.connectors.heartland import decimal_json
from shared.entities.fulfilment.heartland import invoices_by_id, read_invoice_lines
from shared.entities.fulfilment.spec import RAW_HEARTLAND_FULFILMENT
from shared.entities.order.compare.snapshot import OrderSnapshot
from shared.limits.call_context import REPAIR
from shared.state.drift import Drift, Finding
from shared.sync.comparison import Entity, Vendors
from shared.sync.repair_notice import RepairNotice, repair_event

NAME = "fulfilment"
INVOICE_NOTICE = "heartland.invoice.repair"


def compare(snapshot: OrderSnapshot) -> Iterator[Finding]:
    """Compares units, since a shipment may be in Shopify but not in our ledger.

    By hand, or after a data loss.
    """
    order, heartland = snapshot.order, snapshot.heartland
    if heartland is None or snapshot.fulfilled_units is None:
        return
    name, invoices = order.name, ", ".join(heartland.unfulfilled_invoices)
    by_us = sum(snapshot.stored.fulfilled_by_invoice.values())
    by_others = snapshot.fulfilled_units - by_us
    if heartland.unfulfilled_invoices and by_others <= 0:
        reason = f"order {name} was shipped in Heartland (invoice {invoices}) but is not fulfilled in Shopify"
        yield _finding(snapshot, "shipment_missing", reason)
    elif heartland.unfulfilled_invoices and not _covers(by_others, heartland.unfulfilled_invoices.values()):
        reason = (
            f"{by_others} units of order {name} were fulfilled in Shopify by hand, perhaps those of invoice {invoices}"
        )
        # Fulfilling them again could fulfil the same goods twice.
        yield _finding(snapshot, "shipment_unclear", reason, repairable=False)
    elif not heartland.unfulfilled_invoices and by_others < 0 and order.cancelled_at is None:
        reason = f"a fulfilment of order {name} was cancelled in Shopify, but the goods were shipped in Heartland"
        # Only the store knows whether the goods have left.
        yield _finding(snapshot, "fulfilment_gone", reason, repairable=False)


def _covers(units: int, invoices: Iterable[int | None]) -> bool:
    """Whether `units` are at least the units of all invoices."""
    shipped = list(invoices)
    return None not in shipped and units >= sum(count or 0 for count in shipped)


def _finding(snapshot: OrderSnapshot, kind: str, reason: str, *, repairable: bool = True) -> Finding:
    heartland = snapshot.heartland
    assert heartland is not None  # noqa: S101 - otherwise there is no finding
    return Finding(
        connection=snapshot.connection,
        entity=NAME,
        key=snapshot.order.id,
        kind=kind,
        reason=reason,
        repairable=repairable,
        details={
            "order": snapshot.order.name,
            "heartland_id": heartland.id,
            "invoices": list(heartland.unfulfilled_invoices),
            "shopify_units": snapshot.fulfilled_units,
            "known_units": sum(snapshot.stored.fulfilled_by_invoice.values()),
        },
    )


def is_decided(snapshot: OrderSnapshot) -> bool:
    """Whether a person decided about the order's shipments, and Heartland has not changed since.

    Fulfilling by hand changes the order in Shopify, so only Heartland's timestamp counts.
    """
    decision, (_, in_heartland) = snapshot.stored.decided.get(NAME), snapshot.stamps
    return decision is not None and in_heartland is not None and in_heartland <= decision.asked_at


async def held(row: Drift, _: Vendors) -> dict[str, Any]:
    """What to store before a repair: the difference alone, since a repair only adds fulfilments."""
    return row.details


async def notices(row: Drift, vendors: Vendors, now: datetime) -> list[RepairNotice]:
    """A notice of each invoice, read now. Invoices that no longer exist are skipped."""
    client = vendors.heartland.client
    repairs = []
    for number in map(int, row.details["invoices"]):
        for invoice in await invoices_by_id(client, [number], REPAIR):
            body = decimal_json.dumps({"invoice": invoice, "lines": await read_invoice_lines(client, number, REPAIR)})
            event = repair_event(
                row, now, source="heartland", kind=INVOICE_NOTICE, entity=NAME, body=body, part=str(number)
            )
            repairs.append(RepairNotice(RAW_HEARTLAND_FULFILMENT, event))
    return repairs


ENTITY = Entity(
    NAME,
    compare,
    held,
    notices,
    is_decided=is_decided,
    advice={
        "shipment_unclear": "Nothing is fulfilled automatically, since goods could be fulfilled twice. Compare "
        "the fulfilments in Shopify with the invoices, and fulfil by hand what is missing.",
        "fulfilment_gone": "Ask the store whether the goods have left. If so, fulfil the order again in Shopify; if "
        "not, void the invoice in Heartland.",
    },
    unrepairable=frozenset(("fulfilment_gone", "shipment_unclear")),
)
