"""Tracking that the store enters after an invoice was completed is carried over to what was fulfilled before."""

from __future__ import annotations

import hashlib

import orjson

from shared.connectors.shopify.client import ShopifyClient
from shared.connectors.shopify.errors import UserErrors, accepted
from shared.entities.fulfilment.event import FulfilmentEvent
from shared.entities.fulfilment.shopify.allocation import Tracking, shows_tracking, tracking_of
from shared.entities.fulfilment.shopify.documents import UPDATE_TRACKING
from shared.entities.fulfilment.to_shopify.history import ShipmentHistory, number
from shared.entities.fulfilment.to_shopify.queries import read_fulfilments
from shared.errors import NeedsReview, OutcomeUnknown, Rejected, RetryLater
from shared.limits.call_context import CallContext
from shared.state.ledger import Effect, Ledger


async def carry_over(
    event: FulfilmentEvent, past: ShipmentHistory, shopify: ShopifyClient, ledger: Ledger, context: CallContext
) -> list[str]:
    """The fulfilments that got this version's tracking. Raises NeedsReview where Shopify does not take it."""
    tracking = tracking_of(event.record)
    outdated = past.outdated(tracking, event.version)
    for fulfilment in outdated:
        await _carry_over(event, fulfilment, tracking, shopify, ledger, context)
    return outdated


async def _carry_over(
    event: FulfilmentEvent,
    fulfilment: str,
    tracking: Tracking,
    shopify: ShopifyClient,
    ledger: Ledger,
    context: CallContext,
) -> None:
    version = event.version.isoformat()
    operation = f"tracking:{event.record.id}:{number(fulfilment)}:{version}:{_digest(tracking)}"
    effect = Effect(event.connection, "shopify", "fulfilment", event.record.order_id, operation)
    intent = {"fulfilment": fulfilment, "version": version, "tracking": dict(tracking)}
    claim = await ledger.claim(effect, intent)
    # Setting it twice would do no harm, but the buyer may be told of each time.
    if claim.state == "new" or not await _is_shown(event, fulfilment, tracking, shopify, context):
        await _set(effect, event, fulfilment, tracking, shopify, ledger, context)
    await ledger.done(effect, intent)


async def _is_shown(
    event: FulfilmentEvent, fulfilment: str, tracking: Tracking, shopify: ShopifyClient, context: CallContext
) -> bool:
    order = await read_fulfilments(shopify, event.record.order_id, context)
    return any(made["id"] == fulfilment and shows_tracking(made, tracking) for made in order["fulfillments"])


async def _set(
    effect: Effect,
    event: FulfilmentEvent,
    fulfilment: str,
    tracking: Tracking,
    shopify: ShopifyClient,
    ledger: Ledger,
    context: CallContext,
) -> None:
    content = {"fulfilment": fulfilment, "tracking": dict(tracking), "notify": event.record.notify_customer}
    try:
        data = await shopify.execute(UPDATE_TRACKING, content, context)
        accepted("fulfillmentTrackingInfoUpdate", data["fulfillmentTrackingInfoUpdate"])
    except UserErrors as error:
        await ledger.failed(effect, error.reason)
        raise _refused(event, tracking, error) from error
    except OutcomeUnknown:
        raise
    except (RetryLater, Rejected) as error:
        await ledger.failed(effect, error.reason)
        raise


def _digest(tracking: Tracking) -> str:
    return hashlib.sha256(orjson.dumps(dict(tracking), option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]


def _refused(event: FulfilmentEvent, tracking: Tracking, error: UserErrors) -> NeedsReview:
    return NeedsReview(
        f"Shopify does not take the tracking of invoice {event.record.id}: {error.reason}",
        kind="tracking_refused",
        advice="Enter the tracking in Shopify by hand, if the shipment still counts there.",
        details={"invoice": event.record.id, "order": event.record.order_id, "tracking": dict(tracking)},
    )
