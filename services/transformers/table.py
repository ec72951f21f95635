"""Which topic goes to which transformer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.transformers.shops import Shops
from shared.connectors.heartland.clients import HeartlandClients
from shared.entities.fulfilment import transform as fulfilment
from shared.entities.order import transform as order
from shared.errors import Misconfigured
from shared.messaging.kafka.producer import Producer
from shared.messaging.record import Route
from shared.messaging.topics import RAW_HEARTLAND_FULFILMENT, RAW_SHOPIFY_ORDER
from shared.runtime.service import Shell
from shared.state.reviews import Reviews


@dataclass(frozen=True, slots=True)
class Parts:
    """What the transformers are made of."""

    shell: Shell
    producer: Producer
    reviews: Reviews
    shops: Shops
    heartland: HeartlandClients


def order_route(parts: Parts) -> Route:
    handle = order.handler(parts.shops.of, parts.producer, parts.reviews, parts.shell.clock)
    return Route(RAW_SHOPIFY_ORDER, handle, "order", collapse=True)


def fulfilment_route(parts: Parts) -> Route:
    handle = fulfilment.handler(parts.heartland, parts.producer, parts.shell.clock)
    return Route(RAW_HEARTLAND_FULFILMENT, handle, "fulfilment", collapse=False)


TABLE: dict[str, Callable[[Parts], Route]] = {
    "order": order_route,
    "fulfilment": fulfilment_route,
}


def route(entity: str, parts: Parts) -> Route:
    """The route of this entity. Raises Misconfigured where there is none of that name."""
    if entity not in TABLE:
        raise Misconfigured(f"TRANSFORMER_ENTITY: {entity!r} is not among {', '.join(TABLE)}")
    return TABLE[entity](parts)
