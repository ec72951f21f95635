"""Executes the steps of a shipment's plan, call by call. Decides nothing."""

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
    """Take one step. Raises RetryLater where Shopify refuses a fulfilment, NeedsReview where it refuses tracking."""
    if isinstance(step, ChangeTracking):
        return replace(actual, changed=(*actual.changed, await _change_tracking(step, desired, reader)))
    return replace(actual, made=(*actual.made, await _create(step, actual, desired, reader)))


async def _create(
    step: CreateFulfilment, actual: ActualShipment, desired: DesiredShipment, reader: ShipmentReader
) -> str:
    effect = reader.effect(step.operation)
    if reader.work.held[effect].state != "new":
        # Another process has the order's key too, for a moment: look again at what it did.
        raise TargetDown("a fulfilment of this shipment is being made by another process", after=1.0)

    async def send(check: PreSendCheck) -> str | None:
        content = creation_input(step.call, notify=desired.notify)
        context = reader.context.checked_by(check)
        data = await reader.shopify.execute(CREATE_FULFILMENT, {"fulfillment": content}, context)
        payload = accepted("fulfillmentCreate", data["fulfillmentCreate"])
        return (payload.get("fulfillment") or {}).get("id")

    known = {*actual.history.known, *actual.made}
    find = partial(find_fulfilment, reader.shopify, desired.order_id, step.call, known, reader.context)
    try:
        made = await reader.create_once(effect, send, find, reader.lag, work=reader.work, intent=step.intent)
    except UserErrors as error:
        # What is left has changed since it was read, or Shopify does not like the content: the schedule decides.
        raise RetryLater(error.reason) from error
    return made.id


async def _change_tracking(step: ChangeTracking, desired: DesiredShipment, reader: ShipmentReader) -> str:
    async def send(check: PreSendCheck) -> str:
        # Also that of the record: another process that took it over may have sent a newer tracking, by another effect.
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
        f"Shopify does not take the tracking of invoice {desired.invoice}: {error.reason}",
        kind="tracking_refused",
        advice="Enter the tracking in Shopify by hand, if the shipment still counts there.",
        details={"invoice": desired.invoice, "order": desired.order_id, "tracking": dict(step.tracking)},
    )
