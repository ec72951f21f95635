"""The simulated shop: its state, and the functions through which every order change goes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import count

from services.sandbox.shopify import order_intake as intake
from services.sandbox.shopify import shipping, totals
from services.sandbox.shopify.catalog import Catalog
from services.sandbox.shopify.customers import Customers
from services.sandbox.shopify.gid import fresh_ids, numeric
from services.sandbox.shopify.locations import Locations
from services.sandbox.shopify.money import Json
from services.sandbox.shopify.options import Options
from services.sandbox.shopify.orders import Orders
from services.sandbox.shopify.redaction import redacted_order
from services.sandbox.shopify.subscriptions import Subscriptions
from services.sandbox.shopify.throttle import CostBucket
from services.sandbox.shopify.timestamps import moment, stamp
from services.sandbox.shopify.tokens import Tokens
from services.sandbox.shopify.webhooks import Webhooks
from services.sandbox.world import World

FIRST_ORDER_NUMBER = 1001


class Shop:
    """The shop of a world. `metafields` are those of owners other than orders, by the owner's global id."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._begin(str(getattr(world.settings, "sandbox_webhook_url", "")), None)

    def _begin(self, webhook_url: str, tokens: Tokens | None) -> None:
        self.options = Options.of(self.world.settings)
        self.ids = fresh_ids()
        self.orders = Orders()
        self.customers = Customers()
        self.locations = Locations()
        self.catalog = Catalog(self.ids)
        self.metafields: dict[str, list[Json]] = {}
        self.tags: dict[str, list[str]] = {}
        self.subscriptions = Subscriptions()
        self.tokens = tokens or Tokens(self.options, self.world.clock.monotonic, self.world.random)
        self.fill_bucket()
        self.webhooks = Webhooks(self.world, self.options, self.subscriptions, webhook_url)
        self._numbers = count(FIRST_ORDER_NUMBER)
        self.read_lag = 0.0

    def reset(self) -> None:
        """Deletes everything but the webhook URL and the granted tokens."""
        self._begin(self.webhooks.base_url, self.tokens)

    def fill_bucket(self) -> None:
        """Restores the full query cost of the plan."""
        self.bucket = CostBucket(self.options.plan, self.world.clock.monotonic)

    def now(self) -> datetime:
        return self.world.clock.now()

    def take(self, posted: Json) -> Json:
        """Stores a new or changed order. Raises ValueError for an invalid one."""
        known_id = numeric(posted.get("id"))
        previous = self.orders.get(known_id) if known_id else None
        context = intake.IntakeContext(self.ids, self._numbers, self.options.currency, self.locations.primary)
        doc = intake.accept(posted, previous, context, self.now())
        self._store_referenced(doc)
        self.save(doc)
        return doc

    def _store_referenced(self, doc: Json) -> None:
        stored = self.world.clock.monotonic()
        for line in totals.lines(doc["rest"]):
            self.catalog.note(line, stored)
        if doc["rest"].get("customer"):
            self.customers.note(doc["rest"]["customer"], stored)
        for order in doc["fos"]:
            self.locations.at(order["location_id"])

    def save(self, doc: Json) -> None:
        self.orders.put(doc, self.world.clock.monotonic())

    def touch(self, doc: Json) -> None:
        """Stores a changed order with a newer `updated_at`."""
        before = moment(doc["rest"]["updated_at"])
        doc["rest"]["updated_at"] = intake.later(before, self.now()) if before else stamp(self.now())
        self.save(doc)

    def update_fulfilment_orders(self, doc: Json) -> None:
        """Matches fulfilment orders to changed lines."""
        shipping.update_fulfilment_orders(doc, self.locations.primary, self.ids, stamp(self.now()))

    def announce(self, doc: Json, topics: Iterable[str]) -> list[str]:
        """Sends the order's body as a webhook of each topic; returns the webhook ids."""
        body = redacted_order(doc["rest"]) if self.options.hide_personal_data else doc["rest"]
        sent = self.webhooks.send(topics, body, str(doc["rest"]["name"]))
        return [delivery.webhook_id for delivery in sent]

    def announce_part(self, doc: Json, topic: str, part: Json) -> None:
        """Sends a part of an order as a webhook: a refund, transaction, fulfilment or edit."""
        self.webhooks.send((topic,), part, str(doc["rest"]["name"]))


def of(world: World) -> Shop:
    """The world's shop."""
    return world.part(Shop, Shop)
