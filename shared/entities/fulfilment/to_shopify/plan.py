"""Plans a shipment's remaining calls: fulfil unallocated units, change tracking. Pure.

One call fulfils at one location, so an invoice may need several calls. Each has its own effect, whose intent holds the
call's input. Units that earlier calls allocated are subtracted before the rest is allocated.
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
    unallocated_lines,
)
from shared.entities.fulfilment.to_shopify.actual import ActualShipment
from shared.entities.fulfilment.to_shopify.desired import DesiredShipment
from shared.entities.fulfilment.to_shopify.steps import ChangeTracking, CreateFulfilment, Step
from shared.errors import Waiting
from shared.sync.plan import Plan, Problem


def plan_shipment(desired: DesiredShipment, actual: ActualShipment) -> Plan[Step]:
    """All remaining steps.

    Units that are on hold make the event wait, units that Shopify does not expect a problem.
    """
    left = unallocated_lines(desired.lines, actual.history.allocated())
    allocation = Allocation((), (), on_hold=False)
    if left:
        allocation = allocate(left, remaining_lines(actual.order), desired.location)
    steps = (*_creates(desired, actual, allocation), *_tracking_changes(desired, actual))
    if not allocation.missing:
        return Plan(steps)
    units = ", ".join(f"{line.quantity} x {line.sku or 'a line without SKU'}" for line in allocation.missing)
    if allocation.on_hold:
        reason = f"{units} of Shopify order {desired.order_id} are on hold in Shopify"
        return Plan(steps, waits=Waiting(reason, waits_for=f"release:{desired.order_id}"))
    return Plan(steps, (_not_expected(desired, units),))


def _creates(desired: DesiredShipment, actual: ActualShipment, allocation: Allocation) -> Iterator[Step]:
    before = tuple(fulfilment["id"] for fulfilment in actual.order.get("fulfillments", ()))
    for location, parts in allocation.by_location().items():
        call = FulfilmentCall(parts, desired.tracking, before)
        intent = {**call.stored(), "version": desired.version.isoformat()}
        yield CreateFulfilment(actual.history.next_call(location), call, intent)


def _tracking_changes(desired: DesiredShipment, actual: ActualShipment) -> Iterator[Step]:
    """Changes of tracking that the store entered after the invoice was fulfilled."""
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
        title=f"Heartland invoice {desired.invoice} ships {units}, which are not left to fulfil in Shopify",
        advice="The other units of the invoice are fulfilled. Check whether the order was cancelled or fulfilled by "
        "hand in Shopify, or whether the store shipped more than was ordered.",
        details={"invoice": desired.invoice, "order": desired.order_id, "missing": units},
        blocks=True,
    )
