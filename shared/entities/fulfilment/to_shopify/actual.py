"""Reads a shipment as Shopify holds it: its calls in the ledger, and units left to fulfil."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from shared.connectors.shopify.client import ShopifyClient
from shared.entities.fulfilment.shopify.allocation import FulfilmentCall, unallocated_lines
from shared.entities.fulfilment.to_shopify.desired import DesiredShipment
from shared.entities.fulfilment.to_shopify.history import ShipmentHistory
from shared.entities.fulfilment.to_shopify.in_doubt import find_fulfilment
from shared.entities.fulfilment.to_shopify.queries import read_remaining
from shared.limits.call_context import CallContext
from shared.state.ledger import Effect, Ledger
from shared.sync.create_once import CreateOnce, ReadLag
from shared.sync.unit_of_work import UnitOfWork

ENTITY = "fulfilment"


@dataclass(frozen=True, slots=True)
class ActualShipment:
    """`history` are earlier attempts' calls; `made` and `changed` are fulfilments of this attempt.

    `order` is Shopify's order with its fulfilment orders, empty if no units of the shipment are left to fulfil.
    """

    history: ShipmentHistory
    order: Mapping[str, Any]
    made: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShipmentReader:
    """Reads the shipments of one order, for one attempt."""

    connection: str
    order_id: str
    shopify: ShopifyClient
    ledger: Ledger
    create_once: CreateOnce
    lag: ReadLag
    work: UnitOfWork
    context: CallContext

    async def read(self, desired: DesiredShipment) -> ActualShipment:
        """Raises NeedsReview without such an order, TargetDown while reads may not show a call in doubt."""
        history = await self._history(desired.invoice)
        if history.in_doubt():
            await self._settle(history)
            history = await self._history(desired.invoice)
        order: Mapping[str, Any] = {}
        if unallocated_lines(desired.lines, history.allocated()):
            order = await read_remaining(self.shopify, self.order_id, self.context)
        return ActualShipment(history, order)

    def effect(self, operation: str) -> Effect:
        return Effect(self.connection, "shopify", ENTITY, self.order_id, operation)

    async def _history(self, invoice: str) -> ShipmentHistory:
        return ShipmentHistory.read(invoice, await self.ledger.of_key(self.connection, ENTITY, self.order_id))

    async def _settle(self, history: ShipmentHistory) -> None:
        """Find the fulfilment of each call in doubt, or give its claim back to allocate its units again."""
        known = set(history.fulfilments)
        for operation, claim in history.in_doubt().items():
            call = FulfilmentCall.read(claim.result or {})
            find = partial(find_fulfilment, self.shopify, self.order_id, call, known, self.context)
            made = await self.create_once.settle(self.effect(operation), claim, find, self.lag, self.work)
            if made is not None:
                known.add(made.id)
