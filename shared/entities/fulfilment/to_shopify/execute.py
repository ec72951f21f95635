"""A Heartland shipment becomes a Shopify fulfilment, once per invoice, however often it is seen.

One call fulfils at one location, so an invoice may take several; each has its own effect, whose note carries what it
was sent with. What earlier calls placed is taken off before the rest is placed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.connectors.shopify.client import ShopifyClient
from shared.connectors.shopify.errors import UserErrors, accepted
from shared.entities.fulfilment.event import FulfilmentEvent
from shared.entities.fulfilment.record import Fulfilment
from shared.entities.fulfilment.shopify.allocation import (
    AllocatedUnits,
    Allocation,
    FulfilmentCall,
    allocate,
    creation_input,
    remaining_lines,
    still_to_place,
    tracking_of,
)
from shared.entities.fulfilment.shopify.documents import CREATE_FULFILMENT
from shared.entities.fulfilment.to_shopify.history import ShipmentHistory, number
from shared.entities.fulfilment.to_shopify.in_doubt import InDoubtCalls
from shared.entities.fulfilment.to_shopify.queries import read_remaining
from shared.entities.fulfilment.to_shopify.tracking import carry_over
from shared.errors import NeedsReview, OutcomeUnknown, Rejected, RetryLater, TargetDown, Waiting
from shared.limits.call_context import CallContext
from shared.messaging.record import Result
from shared.runtime.clock import Clock
from shared.state.ledger import Claim, Effect, Ledger
from shared.sync.ownership_check import ClaimCheck, OwnershipCheck, TakenAt

ENTITY = "fulfilment"


class ShipmentWriter:
    """Carries canonical fulfilments out. One instance per process; the order's key keeps calls of one order apart."""

    def __init__(self, ledger: Ledger, clock: Clock, read_lag_seconds: float) -> None:
        self._ledger = ledger
        self._clock = clock
        self._doubts = InDoubtCalls(ledger, clock, read_lag_seconds)

    async def write(
        self,
        event: FulfilmentEvent,
        shopify: ShopifyClient,
        location: str,
        context: CallContext,
        taken_at: TakenAt | None = None,
    ) -> Result:
        """Fulfil what the invoice ships and was not fulfilled by it yet; those at `location` (a gid) first.

        `taken_at` tells since when no other process works on the order; it is asked where a call is in doubt, or waited
        long for its turn.
        Raises NeedsReview where Shopify has fewer units left than shipped, Waiting while they are on hold.
        """
        record, ours = event.record, OwnershipCheck(taken_at, self._clock)
        past = await self._settled(event, shopify, context, taken_at)
        left = still_to_place(record.lines, past.placed())
        order, allocation = {}, Allocation((), (), held=False)
        if left:
            order = await read_remaining(shopify, record.order_id, context)
            allocation = allocate(left, remaining_lines(order), location)
        made = [
            await self._create(event, shopify, past.next_call(place), parts, order, context)
            for place, parts in allocation.by_location().items()
        ]
        changed = await carry_over(event, past, shopify, self._ledger, context.checked_by(ours.check))
        _refuse_missing(record, allocation)
        return _result(event, order, past, made, changed)

    async def _settled(
        self, event: FulfilmentEvent, shopify: ShopifyClient, context: CallContext, taken_at: TakenAt | None
    ) -> ShipmentHistory:
        """The past of this invoice with every call in doubt looked up."""
        past = await self._past(event)
        doubtful = {_effect(event, name): claim for name, claim in past.doubtful().items()}
        if not doubtful:
            return past
        taken = await taken_at() if taken_at is not None else None
        await self._doubts.settle(doubtful, event.record.order_id, shopify, past.known, context, taken)
        return await self._past(event)

    async def _past(self, event: FulfilmentEvent) -> ShipmentHistory:
        effects = await self._ledger.of_key(event.connection, ENTITY, event.record.order_id)
        return ShipmentHistory.read(event.record.id, effects)

    async def _create(
        self,
        event: FulfilmentEvent,
        shopify: ShopifyClient,
        operation: str,
        parts: Sequence[AllocatedUnits],
        order: Mapping[str, Any],
        context: CallContext,
    ) -> str:
        effect = _effect(event, operation)
        call = FulfilmentCall(
            tuple(parts), tracking_of(event.record), tuple(made["id"] for made in order["fulfillments"])
        )
        intent = {**call.stored(), "version": event.version.isoformat()}
        claim = await self._ledger.claim(effect, intent)
        if claim.state != "new":
            # Another process has the order's key too, for a moment: look again at what it did.
            raise TargetDown("a fulfilment of this shipment is being made by another process", after=1.0)
        content = creation_input(call, notify=event.record.notify_customer)
        made = await self._send(effect, claim, shopify, content, context)
        await self._ledger.done(effect, {**intent, "fulfilment": made})
        return made

    async def _send(
        self, effect: Effect, claim: Claim, shopify: ShopifyClient, content: Mapping[str, Any], context: CallContext
    ) -> str:
        turn = ClaimCheck(self._ledger, self._clock, effect, claim)
        try:
            data = await shopify.execute(CREATE_FULFILMENT, {"fulfillment": content}, context.checked_by(turn.check))
            payload = accepted("fulfillmentCreate", data["fulfillmentCreate"])
            return _id_of(payload)
        except UserErrors as error:
            # What is left has changed since it was read, or Shopify does not like the content: the schedule decides.
            await self._ledger.failed(effect, error.reason, turn.claim)
            raise RetryLater(error.reason) from error
        except OutcomeUnknown:
            self._doubts.lost(effect)
            raise
        except (RetryLater, Rejected) as error:
            await self._ledger.failed(effect, error.reason, turn.claim)
            raise


def _effect(event: FulfilmentEvent, operation: str) -> Effect:
    return Effect(event.connection, "shopify", ENTITY, event.record.order_id, operation)


def _id_of(payload: Mapping[str, Any]) -> str:
    made = payload.get("fulfillment") or {}
    if not made.get("id"):
        raise OutcomeUnknown("Shopify does not say which fulfilment it made")
    return str(made["id"])


def _refuse_missing(record: Fulfilment, allocation: Allocation) -> None:
    if not allocation.missing:
        return
    units = ", ".join(f"{line.quantity} x {line.sku or 'a line without SKU'}" for line in allocation.missing)
    if allocation.held:
        raise Waiting(f"Shopify holds {units} of order {record.order_id}", waits_for=f"release:{record.order_id}")
    raise NeedsReview(
        f"Heartland invoice {record.id} ships {units} that Shopify does not expect any more",
        kind="shipment_without_order_lines",
        advice="Look whether the order was cancelled, or fulfilled in Shopify by hand, or more was shipped than "
        "ordered. What Shopify did expect is fulfilled.",
        details={"invoice": record.id, "order": record.order_id, "missing": units},
    )


def _result(
    event: FulfilmentEvent, order: Mapping[str, Any], past: ShipmentHistory, made: Sequence[str], changed: Sequence[str]
) -> Result:
    told = f"invoice {event.record.id} -> {', '.join(map(number, [*past.made(), *made])) or 'nothing to ship'}"
    return Result(
        outcome="applied" if made or changed else "duplicate" if past.made() else "skipped",
        order_number=str(order.get("name") or ""),
        shopify_id=event.record.order_id,
        heartland_id=event.record.heartland_order_id,
        detail=f"{told}, new tracking" if changed else told,
    )
