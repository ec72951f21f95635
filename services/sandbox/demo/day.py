"""The demo day: places orders one after the other; the store ships every third of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.sandbox.demo.orders import order
from services.sandbox.heartland.account import Heartland
from services.sandbox.heartland.invoices import ship
from services.sandbox.heartland.rejection import Rejection
from services.sandbox.heartland.shipping import lines_to_ship, ships_from
from services.sandbox.heartland.table import Row
from services.sandbox.shopify.placing import place
from services.sandbox.shopify.shop import Shop
from services.sandbox.world import World

FIRST_NUMBER = 1001
_SECONDS_BETWEEN_ORDERS = 0.4
_POLL_SECONDS = 0.25
# Every third order is shipped, and every second of those in two parcels.
_SHIP_EVERY = 3
_SPLIT_EVERY = 6
Json = dict[str, Any]


@dataclass
class DemoOrder:
    """One order of the day. `parcels` is the number of completed invoices."""

    document: Json
    ships: bool
    in_parts: bool
    parcels: int = 0
    arrived: bool = False

    @property
    def id(self) -> int:
        return int(self.document["id"])


@dataclass
class DemoDay:
    """Runs until each order is open in Heartland and each of its parcels is a fulfilment in Shopify.

    `problem` says why it ended early. `seed` determines the orders and their ids.
    """

    world: World
    shop: Shop
    account: Heartland
    seed: int
    count: int
    orders: list[DemoOrder] = field(default_factory=list)
    problem: str = ""

    def progress(self) -> Json:
        """Counts for display; `over` once the day has ended."""
        arrived = sum(one.arrived for one in self.orders)
        return {
            "count": self.count,
            "sent": len(self.orders),
            "arrived": arrived,
            "parcels": sum(one.parcels for one in self.orders),
            "problem": self.problem,
            "over": bool(self.problem) or len(self.orders) == self.count == arrived,
        }

    async def run(self) -> None:
        """Places the orders and ships them; returns at the end of the day."""
        try:
            self.world.spawn(self._place_orders())
            while not self.progress()["over"]:
                for one in self.orders:
                    self._advance(one)
                await self.world.clock.sleep(_POLL_SECONDS)
        except Rejection as rejection:
            self.problem = f"the store could not ship: {rejection.message}"

    async def _place_orders(self) -> None:
        for index in range(self.count):
            document = order(self.seed, FIRST_NUMBER + index, self.world.clock.now())
            place(self.shop, document)
            self.orders.append(DemoOrder(document, ships=index % _SHIP_EVERY == 0, in_parts=index % _SPLIT_EVERY == 0))
            await self.world.clock.sleep(_SECONDS_BETWEEN_ORDERS)

    def _advance(self, one: DemoOrder) -> None:
        """Ships an order that is open in Heartland, and notes whether all its parcels have arrived in Shopify."""
        row = self._in_heartland(one)
        if one.arrived or row is None:
            return
        if one.ships and not one.parcels:
            one.parcels = self._ship(one, row)
        one.arrived = self._fulfilments(one) >= one.parcels

    def _in_heartland(self, one: DemoOrder) -> Row | None:
        """The order in Heartland, once it is complete (no longer `pending`)."""
        orders = self.account["orders"]
        rows = [orders.rows[number] for number in orders.equal_to("custom@shopify_order_id", str(one.id))]
        return next((row for row in rows if row["status"] != "pending"), None)

    def _ship(self, one: DemoOrder, row: Row) -> int:
        lines = one.document["line_items"]
        parts: Sequence[list[Json] | None] = [None]
        if one.in_parts and sum(line["quantity"] for line in lines) > 1:
            parts = [[{"sku": lines[0]["sku"], "qty": 1}], None]
        for number, part in enumerate(parts, 1):
            wanted = lines_to_ship(self.account, row, part)
            custom = {"tracking_number": f"1Z{str(one.id)[-8:]}{number}", "carrier": "UPS"}
            ship(self.account, row, wanted, ships_from(wanted), custom)
        return len(parts)

    def _fulfilments(self, one: DemoOrder) -> int:
        doc = self.shop.orders.get(one.id)
        return len(doc["rest"].get("fulfillments") or []) if doc else 0
