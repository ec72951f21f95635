"""The imitated shop: everything it holds, and the one way in which an order changes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import count

from services.sandbox.shopify import order_intake as intake
from services.sandbox.shopify import shipping, totals
from services.sandbox.shopify.behaviour_flags import Options
from services.sandbox.shopify.catalog import Catalog
from services.sandbox.shopify.customers import People
from services.sandbox.shopify.gid import fresh_ids, numeric
from services.sandbox.shopify.locations import Places
from services.sandbox.shopify.money import Json
from services.sandbox.shopify.orders import Orders
from services.sandbox.shopify.personal import without_people
from services.sandbox.shopify.subscriptions import Subscriptions
from services.sandbox.shopify.throttle import Bucket
from services.sandbox.shopify.timestamps import moment, stamp
from services.sandbox.shopify.tokens import Tokens
from services.sandbox.shopify.webhooks import Webhooks
from services.sandbox.world import World

FIRST_ORDER_NUMBER = 1001


class Shop:
    """One world has one. `metafields` are those of owners that are not orders, by the owner's global id."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._begin(str(getattr(world.settings, "sandbox_webhook_url", "")), None)

    def _begin(self, webhook_url: str, tokens: Tokens | None) -> None:
        self.options = Options.of(self.world.settings)
        self.ids = fresh_ids()
        self.orders = Orders()
        self.people = People()
        self.places = Places()
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
        """Forgets everything but where webhooks go and which tokens it gave out."""
        self._begin(self.webhooks.base_url, self.tokens)

    def fill_bucket(self) -> None:
        """A full bucket of the plan's size."""
        self.bucket = Bucket(self.options.plan, self.world.clock.monotonic)

    def now(self) -> datetime:
        return self.world.clock.now()

    def take(self, posted: Json) -> Json:
        """Stores an order that is new or changed. Raises ValueError for what cannot be one."""
        known_id = numeric(posted.get("id"))
        previous = self.orders.get(known_id) if known_id else None
        desk = intake.Desk(self.ids, self._numbers, self.options.currency, self.places.primary)
        doc = intake.accept(posted, previous, desk, self.now())
        self._note_around(doc)
        self.save(doc)
        return doc

    def _note_around(self, doc: Json) -> None:
        stored = self.world.clock.monotonic()
        for line in totals.lines(doc["rest"]):
            self.catalog.note(line, stored)
        if doc["rest"].get("customer"):
            self.people.note(doc["rest"]["customer"], stored)
        for order in doc["fos"]:
            self.places.at(order["location_id"])

    def save(self, doc: Json) -> None:
        self.orders.put(doc, self.world.clock.monotonic())

    def touch(self, doc: Json) -> None:
        """Stores a changed order with a newer `updated_at`."""
        before = moment(doc["rest"]["updated_at"])
        doc["rest"]["updated_at"] = intake.later(before, self.now()) if before else stamp(self.now())
        self.save(doc)

    def rearrange(self, doc: Json) -> None:
        """Brings fulfilment orders into step with changed lines."""
        shipping.keep_in_step(doc, self.places.primary, self.ids, stamp(self.now()))

    def announce(self, doc: Json, topics: Iterable[str]) -> list[str]:
        """Sends the order's body under each topic; gives the webhook ids."""
        body = without_people(doc["rest"]) if self.options.hide_personal_data else doc["rest"]
        sent = self.webhooks.send(topics, body, str(doc["rest"]["name"]))
        return [delivery.webhook_id for delivery in sent]

    def announce_part(self, doc: Json, topic: str, part: Json) -> None:
        """Sends something that belongs to an order: a refund, a transaction, a fulfilment, an edit."""
        self.webhooks.send((topic,), part, str(doc["rest"]["name"]))


def of(world: World) -> Shop:
    """The world's shop."""
    return world.part(Shop, Shop)
