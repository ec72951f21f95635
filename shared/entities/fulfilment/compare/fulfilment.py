"""Shipments: completed in Heartland and not fulfilled in Shopify, or fulfilled by us and gone there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from shared.connectors.heartland import decimal_json
from shared.entities.fulfilment.heartland import invoices_by_id, read_invoice_lines
from shared.entities.fulfilment.spec import RAW_HEARTLAND_FULFILMENT
from shared.entities.order.compare.snapshot import Snapshot
from shared.limits.call_context import REPAIR
from shared.state.drift import Drift, Finding
from shared.sync.comparison import Entity, Vendors
from shared.sync.repair_notice import RepairNotice, repair_event

NAME = "fulfilment"
INVOICE_NOTICE = "heartland.invoice.repair"


def compare(seen: Snapshot) -> Iterator[Finding]:
    """Units decide: a shipment that our books do not know may well be in Shopify, after a lost database or by hand."""
    order, there = seen.order, seen.heartland
    if there is None or seen.shipped is None:
        return
    name, invoices = order.name, ", ".join(there.unknown)
    known = sum(seen.known.shipped.values())
    more = seen.shipped - known
    if there.unknown and more <= 0:
        reason = f"order {name} was shipped (invoice {invoices}), and Shopify does not know"
        yield _finding(seen, "shipment_missing", reason)
    elif there.unknown and not _covers(more, there.unknown.values()):
        reason = f"Shopify shows {more} units of order {name} that may be those of invoice {invoices}, or others"
        # To fulfil them again would ship goods twice, in Shopify's books.
        yield _finding(seen, "shipment_unclear", reason, repairable=False)
    elif not there.unknown and more < 0 and order.cancelled_at is None:
        reason = f"a fulfilment of order {name} was cancelled in Shopify, and Heartland has shipped the goods"
        # Whether the goods left or not, only the store knows.
        yield _finding(seen, "fulfilment_gone", reason, repairable=False)


def _covers(units: int, invoices: Iterable[int | None]) -> bool:
    """Whether that many units are at least those of the invoices."""
    asked = list(invoices)
    return None not in asked and units >= sum(one or 0 for one in asked)


def _finding(seen: Snapshot, kind: str, reason: str, *, repairable: bool = True) -> Finding:
    there = seen.heartland
    assert there is not None  # noqa: S101 - else nothing is found
    return Finding(
        connection=seen.connection,
        entity=NAME,
        key=seen.order.id,
        kind=kind,
        reason=reason,
        repairable=repairable,
        details={
            "order": seen.order.name,
            "heartland_id": there.id,
            "invoices": list(there.unknown),
            "shopify_units": seen.shipped,
            "known_units": sum(seen.known.shipped.values()),
        },
    )


def is_decided(seen: Snapshot) -> bool:
    """Whether a person has settled the order's shipments as they stand. Who fulfils by hand changes the order in
    Shopify, so only Heartland's side shows what was asked about.
    """
    decided, (_, there) = seen.known.decided.get(NAME), seen.stamps
    return decided is not None and there is not None and there <= decided.asked_at


async def held(row: Drift, _: Vendors) -> dict[str, Any]:
    """The figures found: Shopify's fulfilments are only ever added to."""
    return row.details


async def notices(row: Drift, vendors: Vendors, now: datetime) -> list[RepairNotice]:
    """Each invoice as it now is; one that is no more is passed over."""
    client = vendors.heartland.client
    found = []
    for number in map(int, row.details["invoices"]):
        for invoice in await invoices_by_id(client, [number], REPAIR):
            body = decimal_json.dumps({"invoice": invoice, "lines": await read_invoice_lines(client, number, REPAIR)})
            told = repair_event(
                row, now, source="heartland", kind=INVOICE_NOTICE, entity=NAME, body=body, part=str(number)
            )
            found.append(RepairNotice(RAW_HEARTLAND_FULFILMENT, told))
    return found


ENTITY = Entity(
    NAME,
    compare,
    held,
    notices,
    is_decided=is_decided,
    advice={
        "shipment_unclear": "Compare the fulfilments in Shopify with the invoices, and fulfil by hand what is missing.",
        "fulfilment_gone": "Ask the store whether the goods left; fulfil the order again in Shopify, or take "
        "them back.",
    },
    hopeless=frozenset(("fulfilment_gone", "shipment_unclear")),
)
