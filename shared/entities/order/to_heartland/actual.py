"""Finds and reads the order in Heartland, or takes it from the cache while reads may lag."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.errors import NotFound
from shared.entities.order.heartland.orders import (
    SalesOrder,
    orders_by_custom_field,
    orders_by_number,
    read_order_lines,
    read_order_payments,
    read_order_taxes,
    read_sales_order,
)
from shared.entities.order.record import Order
from shared.entities.order.to_heartland.account import Account
from shared.entities.order.to_heartland.actual_order import ActualOrder
from shared.errors import NeedsReview, TargetDown
from shared.limits.call_context import CallContext
from shared.state.atomic_write import LinkPair
from shared.state.ledger import Claim
from shared.state.links import LinkRow
from shared.sync.plan import Problem
from shared.sync.unit_of_work import UnitOfWork

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class ActualOrderReader:
    """Reads one order, for one attempt. Every method raises what the client and the database raise.

    `in_doubt` are the order's effects whose outcome was unknown when it was read, by operation. `duplicates` is set
    where several Heartland orders have this order's id.
    """

    def __init__(self, account: Account, order: Order, work: UnitOfWork, context: CallContext) -> None:
        self._account = account
        self._order = order
        self._work = work
        self._context = context
        self.in_doubt: Mapping[str, Claim] = {}
        self.duplicates: Problem | None = None

    async def find(self, link: LinkRow | None) -> ActualOrder | None:
        """The order by our link; without one, by a look-up if Shopify's metafield has its id.

        The latter happens after the database was lost.
        """
        if link is not None:
            return await self.read(int(link.heartland_id))
        if not heartland_id_in_shopify(self._order, self._account.namespace):
            return None
        found = await self.look_up()
        if found is None:
            return None
        self.link(found, "")
        return await self.read(found)

    async def read(self, order_id: int) -> ActualOrder:
        """The whole order.

        Raises TargetDown while reads may not show our last write, NeedsReview if it was deleted.
        """
        lag_seconds = self._account.lag.seconds
        recent = self._account.recent.recall(self._order.id, lag_seconds)
        if recent is not None:
            return recent
        history = await self._account.create_once.history(self._account.name, "order", self._order.id)
        # Changes of lines are not in the ledger. So another process may have sent some until this one took over.
        last_sent = await self._work.last_sent(history.last_sent or _LONG_AGO)
        wait = self._account.recent.unsettled_seconds(self._order.id, last_sent, lag_seconds)
        if wait > 0:
            raise TargetDown(
                f"order {self._order.name} was just written, and Heartland's reads may not show it yet", wait
            )
        self.in_doubt = history.in_doubt
        try:
            return await read_order(self._account.heartland, order_id, self._context)
        except NotFound as error:
            raise NeedsReview(
                f"Heartland order {order_id} of Shopify order {self._order.name} was deleted in Heartland",
                kind="order_missing",
                advice="It is not created again, and changes in Shopify no longer reach Heartland. Check who deleted "
                "it; if it was a mistake, enter the order in Heartland by hand.",
                details={"heartland_order_id": order_id},
            ) from error

    async def look_up(self) -> int | None:
        """The order's id, by the custom field with Shopify's id; its number is not unique."""
        field = self._account.settings.order_id_field
        found = await orders_by_custom_field(self._account.heartland, field, self._order.id, self._context)
        if len(found) > 1:
            self.duplicates = _duplicates(self._order, found)
        return found[0].id if found else None

    async def is_number_taken(self, public_id: str) -> bool:
        """Whether any Heartland order has this number."""
        return bool(await orders_by_number(self._account.heartland, public_id, self._context))

    def link(self, order_id: int, public_id: str) -> None:
        """Link the order with Heartland's. The link is stored with the unit of work."""
        self._work.links.append(LinkPair(self._account.name, "order", self._order.id, str(order_id), public_id))


async def read_order(heartland: HeartlandClient, order_id: int, context: CallContext) -> ActualOrder:
    """The whole order, read now. Raises NotFound where there is none."""
    return ActualOrder(
        order=await read_sales_order(heartland, order_id, context),
        lines=tuple(await read_order_lines(heartland, order_id, context)),
        taxes=tuple(await read_order_taxes(heartland, order_id, context)),
        payments=tuple(await read_order_payments(heartland, order_id, context)),
    )


def heartland_id_in_shopify(order: Order, namespace: str) -> str:
    """The Heartland id that the Shopify order carries in its metafield; empty if none."""
    keys = (namespace, "heartland_order_id")
    return next((value for space, key, value in order.metafields if (space, key) == keys), "")


def _duplicates(order: Order, found: list[SalesOrder]) -> Problem:
    return Problem(
        kind="duplicate_orders",
        title=f"There are {len(found)} Heartland orders for Shopify order {order.name}",
        advice="A store may ship the order more than once. Only Heartland order "
        f"{found[0].public_id or found[0].id} is updated: keep it, and cancel the others in Heartland.",
        details={"heartland_order_ids": [duplicate.id for duplicate in found]},
    )
