"""Shipments: completed in Heartland and not fulfilled in Shopify, or fulfilled by us and gone there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from services.reconciler.snapshot import Snapshot
from shared.state.drift import Finding

ENTITY = "fulfilment"


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
        entity=ENTITY,
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
