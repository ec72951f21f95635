"""Executes the steps of a shipment's plan, call by call."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from shared.connectors.shopify.errors import UserErrors, accepted
from shared.entities.fulfilment.shopify.allocation import creation_input
from shared.entities.fulfilment.shopify.documents import CREATE_FULFILMENT, UPDATE_TRACKING
from shared.entities.fulfilment.to_shopify.actual import ActualShipment, ShipmentReader
from shared.entities.fulfilment.to_shopify.desired import DesiredShipment
from shared.entities.fulfilment.to_shopify.in_doubt import find_fulfilment, find_tracking
from shared.entities.fulfilment.to_shopify.steps import ChangeTracking, CreateFulfilment, Step
from shared.errors import NeedsReview, RetryLater, TargetDown
from shared.limits.call_context import PreSendCheck
from shared.sync.ownership_check import both


async def execute(
    step: Step, actual: ActualShipment, desired: DesiredShipment, reader: ShipmentReader
) -> ActualShipment:
    """Execute one step.

    Raises RetryLater where Shopify refuses a fulfilment, NeedsReview where it refuses tracking.
    """
    if isinstance(step, ChangeTracking):
        return replace(actual, changed=(*actual.changed, await _change_tracking(step, desired, reader)))
    return replace(actual, made=(*actual.made, await _create(step, actual, desired, reader)))


async def _create(
    step: CreateFulfilment, actual: ActualShipment, desired: DesiredShipment, reader: ShipmentReader
) -> str:
    effect = reader.effect(step.operation)
    if reader.work.held[effect].state != "new":
        # The partition changed its owner, and the other process may be making this call: the retry reads its outcome.
        raise TargetDown("another process is making a fulfilment of this shipment", after=1.0)

    async def send(check: PreSendCheck) -> str | None:
        content = creation_input(step.call, notify=desired.notify)
        context = reader.context.checked_by(check)
        data = await reader.shopify.execute(CREATE_FULFILMENT, {"fulfillment": content}, context)
        payload = accepted("fulfillmentCreate", data["fulfillmentCreate"])
        return (payload.get("fulfillment") or {}).get("id")

    known = {*actual.history.fulfilments, *actual.made}
    find = partial(find_fulfilment, reader.shopify, desired.order_id, step.call, known, reader.context)
    try:
        made = await reader.create_once(effect, send, find, reader.lag, work=reader.work, intent=step.intent)
    except UserErrors as error:
        # Either the units left changed after they were read, which a retry resolves, or Shopify refuses the content.
        raise RetryLater(error.reason) from error
    return made.id


async def _change_tracking(step: ChangeTracking, desired: DesiredShipment, reader: ShipmentReader) -> str:
    async def send(check: PreSendCheck) -> str:
        # With the record's check too: a new owner of the partition may have sent newer tracking, as another effect.
        context = reader.context.checked_by(both(reader.context.pre_send_check, check))
        content = {"fulfilment": step.fulfilment, "tracking": dict(step.tracking), "notify": desired.notify}
        data = await reader.shopify.execute(UPDATE_TRACKING, content, context)
        accepted("fulfillmentTrackingInfoUpdate", data["fulfillmentTrackingInfoUpdate"])
        return step.fulfilment

    find = partial(find_tracking, reader.shopify, desired.order_id, step.fulfilment, step.tracking, reader.context)
    effect = reader.effect(step.operation)
    try:
        await reader.create_once(effect, send, find, reader.lag, work=reader.work, intent=step.intent)
    except UserErrors as error:
        raise _refused(desired, step, error) from error
    return step.fulfilment


def _refused(desired: DesiredShipment, step: ChangeTracking, error: UserErrors) -> NeedsReview:
    return NeedsReview(
        f"Shopify refused the tracking of Heartland invoice {desired.invoice}: {error.reason}",
        kind="tracking_refused",
        advice="The buyer does not see the current tracking. If the fulfilment still exists in Shopify, enter "
        "the tracking there by hand.",
        details={"invoice": desired.invoice, "order": desired.order_id, "tracking": dict(step.tracking)},
    )
