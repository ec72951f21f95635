"""A Heartland shipment becomes a Shopify fulfilment, once per invoice, however often it is seen.

One call fulfils at one location, so an invoice may take several; each has its own effect, whose note carries the
parts it was sent with. What earlier calls placed is taken off before the rest is placed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from shared.canonical.events import FulfilmentEvent
from shared.canonical.fulfilment import Fulfilment
from shared.connectors.shopify.client import ShopifyClient
from shared.connectors.shopify.errors import UserErrors, accepted
from shared.connectors.shopify.fulfilment import (
    Allocation,
    Part,
    allocate,
    creation_input,
    find_created,
    remaining_lines,
    still_to_place,
)
from shared.connectors.shopify.fulfilment_documents import (
    CREATE_FULFILMENT,
    READ_FULFILMENT_ORDER_LINES,
    READ_FULFILMENT_ORDERS,
    READ_FULFILMENTS,
)
from shared.errors import NeedsReview, OutcomeUnknown, Rejected, RetryLater, TargetDown
from shared.messaging.record import Result
from shared.runtime.clock import Clock
from shared.state.ledger import Claim, Effect, Ledger

ENTITY = "fulfilment"


@dataclass(frozen=True, slots=True)
class Past:
    """What the ledger knows of this invoice's calls, and the fulfilments that other invoices of the order made."""

    mine: Mapping[str, Claim]
    others: frozenset[str]

    @classmethod
    def read(cls, effects: Mapping[str, Claim], prefix: str) -> Past:
        mine = {name: claim for name, claim in effects.items() if name.startswith(prefix)}
        made = {str((claim.result or {}).get("fulfilment")) for claim in effects.values() if claim.state == "done"}
        return cls(mine, frozenset(made))

    def placed(self) -> list[Part]:
        return [part for claim in self.mine.values() if claim.state == "done" for part in parts_of(claim)]

    def made(self) -> list[str]:
        return [str((claim.result or {})["fulfilment"]) for claim in self.mine.values() if claim.state == "done"]


def parts_of(claim: Claim) -> list[Part]:
    """The parts that a call was sent with."""
    return [Part(**part) for part in (claim.result or {}).get("parts", [])]


class Shipments:
    """Carries canonical fulfilments out. One instance per process; the order's key keeps calls of one order apart."""

    def __init__(self, ledger: Ledger, clock: Clock, read_lag_seconds: float) -> None:
        self._ledger = ledger
        self._clock = clock
        self._read_lag_seconds = read_lag_seconds

    async def carry_out(self, event: FulfilmentEvent, shopify: ShopifyClient, location: str) -> Result:
        """Raises NeedsReview where Shopify has fewer units left than shipped, RetryLater while they are on hold."""
        record = event.record
        past = await self._settled(event, shopify)
        order = await read_remaining(shopify, record.order_id)
        left = still_to_place(record.lines, past.placed())
        if not left:
            return self._result("duplicate" if past.made() else "skipped", record, past.made())
        allocation = allocate(left, remaining_lines(order), location)
        made = past.made() + [
            await self._create(event, shopify, place, parts) for place, parts in allocation.by_location().items()
        ]
        _refuse_missing(record, allocation)
        return self._result("applied", record, made)

    async def _settled(self, event: FulfilmentEvent, shopify: ShopifyClient) -> Past:
        """The past of this invoice with every call in doubt looked up."""
        prefix = f"fulfilment:{event.record.id}:"
        past = Past.read(await self._ledger.of_key(event.connection, ENTITY, event.record.order_id), prefix)
        doubtful = {name: claim for name, claim in past.mine.items() if claim.state == "in_doubt"}
        if not doubtful:
            return past
        order = await _read_order(shopify, READ_FULFILMENTS, event.record.order_id)
        for name, claim in doubtful.items():
            await self._settle(event, name, claim, order, past.others)
        return Past.read(await self._ledger.of_key(event.connection, ENTITY, event.record.order_id), prefix)

    async def _settle(
        self, event: FulfilmentEvent, name: str, claim: Claim, order: Mapping[str, Any], known: frozenset[str]
    ) -> None:
        found = find_created(order, event.record, parts_of(claim), claim.sent_at, known)
        effect = self._effect(event, name)
        if found:
            await self._ledger.done(effect, {**(claim.result or {}), "fulfilment": found})
            return
        age = (self._clock.now() - claim.sent_at).total_seconds()
        if age < self._read_lag_seconds:
            raise TargetDown("a fulfilment is in doubt and may not show yet", after=self._read_lag_seconds - age)
        await self._ledger.failed(effect, "looked up: it was not made")

    async def _create(
        self, event: FulfilmentEvent, shopify: ShopifyClient, location: str, parts: Sequence[Part]
    ) -> str:
        effect = self._effect(event, f"fulfilment:{event.record.id}:{location.rpartition('/')[2]}")
        intent = {"parts": [asdict(part) for part in parts]}
        claim = await self._ledger.claim(effect, intent)
        if claim.state == "done":
            return str((claim.result or {})["fulfilment"])
        if claim.state == "in_doubt":
            raise TargetDown("a fulfilment of this shipment is in doubt", after=1.0)
        made = await self._call(effect, shopify, creation_input(event.record, parts))
        await self._ledger.done(effect, {**intent, "fulfilment": made})
        return made

    async def _call(self, effect: Effect, shopify: ShopifyClient, content: Mapping[str, Any]) -> str:
        try:
            data = await shopify.execute(CREATE_FULFILMENT, {"fulfillment": content})
            payload = accepted("fulfillmentCreate", data["fulfillmentCreate"])
        except UserErrors as error:
            await self._ledger.failed(effect, error.reason)
            raise RetryLater(error.reason) from error
        except OutcomeUnknown:
            raise
        except (RetryLater, Rejected) as error:
            await self._ledger.failed(effect, error.reason)
            raise
        return str(payload["fulfillment"]["id"])

    @staticmethod
    def _effect(event: FulfilmentEvent, operation: str) -> Effect:
        return Effect(event.connection, "shopify", ENTITY, event.record.order_id, operation)

    @staticmethod
    def _result(outcome: str, record: Fulfilment, made: Sequence[str]) -> Result:
        return Result(
            outcome=outcome,
            shopify_id=record.order_id,
            heartland_id=record.heartland_order_id,
            detail=f"invoice {record.id} -> {', '.join(gid.rpartition('/')[2] for gid in made) or 'nothing to ship'}",
        )


async def read_remaining(shopify: ShopifyClient, order_id: str) -> dict[str, Any]:
    """The order's fulfilment orders with all their lines, every page."""
    order = await _read_order(shopify, READ_FULFILMENT_ORDERS, order_id)
    page = order["fulfillmentOrders"]["pageInfo"]
    while page["hasNextPage"]:
        more = await _read_order(shopify, READ_FULFILMENT_ORDERS, order_id, after=page["endCursor"])
        order["fulfillmentOrders"]["nodes"] += more["fulfillmentOrders"]["nodes"]
        page = more["fulfillmentOrders"]["pageInfo"]
    for entry in order["fulfillmentOrders"]["nodes"]:
        await _complete_lines(shopify, entry)
    return order


async def _complete_lines(shopify: ShopifyClient, entry: dict[str, Any]) -> None:
    page = entry["lineItems"]["pageInfo"]
    while page["hasNextPage"]:
        data = await shopify.execute(READ_FULFILMENT_ORDER_LINES, {"id": entry["id"], "after": page["endCursor"]})
        more = data["fulfillmentOrder"]["lineItems"]
        entry["lineItems"]["nodes"] += more["nodes"]
        page = more["pageInfo"]


async def _read_order(shopify: ShopifyClient, document: Any, order_id: str, **more: str) -> dict[str, Any]:
    data = await shopify.execute(document, {"id": f"gid://shopify/Order/{order_id}", **more})
    order: dict[str, Any] | None = data.get("order")
    if order is None:
        raise Rejected(f"Shopify has no order {order_id} that we may see")
    return order


def _refuse_missing(record: Fulfilment, allocation: Allocation) -> None:
    if not allocation.missing:
        return
    units = ", ".join(f"{line.quantity} x {line.sku or 'a line without SKU'}" for line in allocation.missing)
    if allocation.held:
        raise RetryLater(f"Shopify holds {units} of order {record.order_id}")
    raise NeedsReview(
        f"Heartland invoice {record.id} ships {units} that Shopify does not expect any more",
        kind="shipment_without_order_lines",
        advice="Look whether it was fulfilled in Shopify by hand, or shipped in excess; nothing more was fulfilled.",
        details={"invoice": record.id, "order": record.order_id, "missing": units},
    )
