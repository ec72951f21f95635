"""Plans the calls that remain of a shipment: fulfilments for units not placed yet, tracking that came later. Pure.

One call fulfils at one location, so an invoice may take several; each has an effect of its own, whose intent carries
what it is sent with. What earlier calls placed is taken off before the rest is placed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import orjson

from shared.entities.fulfilment.shopify.allocation import (
    Allocation,
    FulfilmentCall,
    Tracking,
    allocate,
    remaining_lines,
    still_to_place,
)
from shared.entities.fulfilment.to_shopify.actual import ActualShipment
from shared.entities.fulfilment.to_shopify.desired import DesiredShipment
from shared.entities.fulfilment.to_shopify.steps import ChangeTracking, CreateFulfilment, Step
from shared.errors import Waiting
from shared.sync.plan import Plan, Problem


def plan_shipment(desired: DesiredShipment, actual: ActualShipment) -> Plan[Step]:
    """All steps that remain. Units that Shopify does not expect, or holds, are told of once the others are placed."""
    left = still_to_place(desired.lines, actual.history.placed())
    allocation = Allocation((), (), held=False)
    if left:
        allocation = allocate(left, remaining_lines(actual.order), desired.location)
    steps = (*_creates(desired, actual, allocation), *_tracking_changes(desired, actual))
    if not allocation.missing:
        return Plan(steps)
    units = ", ".join(f"{line.quantity} x {line.sku or 'a line without SKU'}" for line in allocation.missing)
    if allocation.held:
        reason = f"Shopify holds {units} of order {desired.order_id}"
        return Plan(steps, waits=Waiting(reason, waits_for=f"release:{desired.order_id}"))
    return Plan(steps, (_not_expected(desired, units),))


def _creates(desired: DesiredShipment, actual: ActualShipment, allocation: Allocation) -> Iterator[Step]:
    before = tuple(made["id"] for made in actual.order.get("fulfillments", ()))
    for location, parts in allocation.by_location().items():
        call = FulfilmentCall(parts, desired.tracking, before)
        intent = {**call.stored(), "version": desired.version.isoformat()}
        yield CreateFulfilment(actual.history.next_call(location), call, intent)


def _tracking_changes(desired: DesiredShipment, actual: ActualShipment) -> Iterator[Step]:
    """Tracking that the store entered after the invoice was completed, for what was fulfilled before."""
    version = desired.version.isoformat()
    for fulfilment in actual.history.outdated(desired.tracking, desired.version):
        operation = actual.history.next_change(fulfilment, version, _digest(desired.tracking))
        intent = {"fulfilment": fulfilment, "version": version, "tracking": dict(desired.tracking)}
        yield ChangeTracking(operation, fulfilment, desired.tracking, intent)


def _digest(tracking: Tracking) -> str:
    return hashlib.sha256(orjson.dumps(dict(tracking), option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]


def _not_expected(desired: DesiredShipment, units: str) -> Problem:
    return Problem(
        kind="shipment_without_order_lines",
        title=f"Heartland invoice {desired.invoice} ships {units} that Shopify does not expect any more",
        advice="Look whether the order was cancelled, or fulfilled in Shopify by hand, or more was shipped than "
        "ordered. What Shopify did expect is fulfilled.",
        details={"invoice": desired.invoice, "order": desired.order_id, "missing": units},
        blocks=True,
    )
