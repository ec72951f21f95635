"""Sends webhooks like Shopify: signed, retried with the same id and bytes, with injectable faults."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import aiohttp

from services.sandbox.faults import Fault
from services.sandbox.shopify.money import Json
from services.sandbox.shopify.options import Options
from services.sandbox.shopify.signing import body_of, signature
from services.sandbox.shopify.subscriptions import Subscription, Subscriptions
from services.sandbox.world import World

KINDS: Final = ("drop", "duplicate", "reorder", "delay")
CONNECT_SECONDS: Final = 1.0
TOTAL_SECONDS: Final = 5.0
AT_ONCE: Final = 64
REMEMBERED: Final = 20_000
UNKNOWN_FIELD: Final = "brand_new_field"
# A reordered delivery waits this long at most for the next delivery to the same address.
OVERTAKEN_WITHIN_SECONDS: Final = 2.0


@dataclass(slots=True)
class Delivery:
    """One webhook to one address.

    `outcome`: waiting, delivered, failed (no retry left), dropped, or retrying.
    """

    webhook_id: str
    event_id: str
    topic: str
    resource: str
    url: str
    at: str
    subscription: int = 0
    attempts: int = 0
    status: int | None = None
    outcome: str = "waiting"
    fault: str = ""

    def report(self) -> Json:
        return {name: getattr(self, name) for name in self.__slots__}


class Webhooks:
    """Sends in the background; `log` has the most recent deliveries, oldest first."""

    def __init__(self, world: World, options: Options, subscriptions: Subscriptions, base_url: str) -> None:
        self._world = world
        self._options = options
        self._subscriptions = subscriptions
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._passed: dict[str, asyncio.Event] = {}
        self.base_url = base_url
        self.log: deque[Delivery] = deque(maxlen=REMEMBERED)

    def send(self, topics: Iterable[str], resource: Json, name: str, api_version: str = "2026-10") -> list[Delivery]:
        """Sends the webhooks of one action.

        All topics share the event id, each delivery has its own webhook id.
        """
        event_id, now = self._uuid(), self._world.clock.now()
        if self._options.unknown_fields:
            resource = {**resource, UNKNOWN_FIELD: {"since": "next quarter", "values": [1, None]}}
        sent = []
        for topic in topics:
            for url, subscription in self._addresses(topic):
                body = body_of(_chosen(resource, subscription))
                delivery = Delivery(self._uuid(), event_id, topic, name, url, _instant(now))
                delivery.subscription = subscription.id if subscription else 0
                headers = self._headers(delivery, body, api_version, subscription)
                self.log.append(delivery)
                sent.append(delivery)
                self._start(delivery, body, headers)
        return sent

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._world.random.getrandbits(128), version=4))

    def _addresses(self, topic: str) -> list[tuple[str, Subscription | None]]:
        found: list[tuple[str, Subscription | None]] = [(row.uri, row) for row in self._subscriptions.of(topic)]
        if self.base_url and topic in self._options.topics:
            found.append((f"{self.base_url.rstrip('/')}/webhooks/shopify/{self._options.connection}", None))
        return found

    def _headers(
        self, delivery: Delivery, body: bytes, api_version: str, subscription: Subscription | None
    ) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": delivery.topic,
            "X-Shopify-Hmac-Sha256": signature(body, self._options.client_secret),
            "X-Shopify-Shop-Domain": self._options.shop_domain,
            "X-Shopify-API-Version": api_version,
            "X-Shopify-Webhook-Id": delivery.webhook_id,
            "X-Shopify-Event-Id": delivery.event_id,
            "X-Shopify-Triggered-At": delivery.at,
        }
        if subscription and subscription.name:
            headers["X-Shopify-Name"] = subscription.name
        # Header names are case-insensitive, and proxies may change their case.
        if self._world.random.random() < 0.5:
            headers = {name.lower(): value for name, value in headers.items()}
        return headers

    def _start(self, delivery: Delivery, body: bytes, headers: dict[str, str]) -> None:
        fault = self._world.faults.trigger("webhooks", delivery.topic, KINDS) if self._world.faults else None
        if fault is None:
            self._world.spawn(self._deliver(delivery, body, headers))
            return
        delivery.fault = fault.kind
        if fault.kind == "drop":
            delivery.outcome = "dropped"
            return
        if fault.kind == "duplicate":
            self._world.spawn(self._deliver(delivery, body, headers))
        self._world.spawn(self._deliver_late(delivery, body, headers, fault))

    async def _deliver_late(self, delivery: Delivery, body: bytes, headers: dict[str, str], fault: Fault) -> None:
        if fault.kind == "delay":
            await self._world.clock.sleep(fault.seconds)
        elif fault.kind == "reorder":
            await self._wait_for_next_delivery(delivery.url, fault.seconds or OVERTAKEN_WITHIN_SECONDS)
        await self._deliver(delivery, body, headers)

    async def _wait_for_next_delivery(self, url: str, at_most: float) -> None:
        passed = self._passed.setdefault(url, asyncio.Event())
        try:
            await asyncio.wait_for(passed.wait(), at_most)
        except TimeoutError:
            return

    async def _deliver(self, delivery: Delivery, body: bytes, headers: dict[str, str]) -> None:
        for wait in (*self._options.retries, None):
            async with self._slots:
                await self._attempt(delivery, body, headers)
            self._passed.pop(delivery.url, asyncio.Event()).set()
            if delivery.status is not None and 200 <= delivery.status < 300:
                delivery.outcome = "delivered"
                return
            if wait is None:
                break
            delivery.outcome = "retrying"
            await self._world.clock.sleep(wait)
        delivery.outcome = "failed"
        # Shopify removes a subscription created through the API after failed deliveries, not the app's own.
        self._subscriptions.remove(delivery.subscription)

    async def _attempt(self, delivery: Delivery, body: bytes, headers: dict[str, str]) -> None:
        delivery.attempts += 1
        timeout = aiohttp.ClientTimeout(total=TOTAL_SECONDS, sock_connect=CONNECT_SECONDS)
        try:
            async with self._world.session.post(
                delivery.url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                await answer.read()
                delivery.status = answer.status
        except (aiohttp.ClientError, TimeoutError, ValueError):
            delivery.status = None


def _chosen(resource: Json, subscription: Subscription | None) -> Json:
    if not subscription or not subscription.include_fields:
        return resource
    return {key: resource[key] for key in subscription.include_fields if key in resource}


def _instant(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
