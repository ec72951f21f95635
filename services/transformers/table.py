"""Which topic goes to which transformer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.transformers import fulfilment, order
from services.transformers.shops import Shops
from shared.connectors.heartland.clients import HeartlandClients
from shared.errors import Misconfigured
from shared.messaging.producer import Producer
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


def routes(entities: str, parts: Parts) -> Sequence[Route]:
    """The routes of the entities named, separated by commas. Raises Misconfigured for one there is none of."""
    wanted = [name.strip() for name in entities.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in TABLE]
    if unknown or not wanted:
        raise Misconfigured(f"TRANSFORMER_ENTITIES: {entities!r} is not among {', '.join(TABLE)}")
    return [TABLE[name](parts) for name in wanted]
