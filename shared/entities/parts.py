"""Arguments of the functions that a spec names: the parts of the service that runs them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from shared.connectors.clients import VendorClients
from shared.connectors.heartland.clients import HeartlandClients
from shared.connectors.shopify.clients import ShopifyClients
from shared.messaging.kafka.producer import Producer
from shared.messaging.record import Route
from shared.runtime.clock import Clock
from shared.runtime.service import Shell
from shared.state.cursors import Cursors
from shared.state.database import Database
from shared.state.links import Links
from shared.state.reviews import Reviews

# Returns which of the awaited names exist by now.
Existing = Callable[[set[str]], Awaitable[set[str]]]


@dataclass(frozen=True, slots=True)
class TransformParts:
    """For `Spec.transform`. `shop_of` gives a connection's shop with its batching reader."""

    shell: Shell
    producer: Producer
    reviews: Reviews
    shop_of: Callable[[str], Awaitable[Any]]
    heartland: HeartlandClients


@dataclass(frozen=True, slots=True)
class HeartlandWriterParts:
    """For the writers into Heartland."""

    service: str
    shell: Shell
    database: Database
    producer: Producer
    clients: HeartlandClients
    item_cache_seconds: float


@dataclass(frozen=True, slots=True)
class ShopifyWriterParts:
    """For the writers into Shopify."""

    service: str
    shell: Shell
    database: Database
    clients: ShopifyClients
    read_lag_seconds: float
    link_batch_seconds: float


@dataclass(frozen=True, slots=True)
class EntityWriter:
    """What a writer service runs for an entity.

    `existing` returns which of the awaited names (`<connection>|item:<sku>`) exist by now; None for an entity that
    waits for nothing.
    """

    routes: Sequence[Route]
    existing: Existing | None = None


@dataclass(frozen=True, slots=True)
class PollParts:
    """For `Poll.open`.

    A poll starts `overlap` before its position, or `lookback` before now if it has none yet.
    """

    shell: Shell
    producer: Producer
    heartland: HeartlandClients
    cursors: Cursors
    links: Links
    overlap: timedelta
    lookback: timedelta
    page_size: int


@dataclass(frozen=True, slots=True)
class PreviewParts:
    """For `Spec.previews`, which write nothing, neither to a vendor nor to a table.

    `reapplies`: records that were written with another version of the definitions count as changed.
    """

    database: Database
    clients: VendorClients
    clock: Clock
    shopify_read_lag_seconds: float = 10.0
    reapplies: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """What the writer would do with an event.

    `verdict` is apply, duplicate, stale and so on, `calls` are the calls it would make, `problem` is why it would fail,
    or empty.
    """

    verdict: str
    calls: list[dict[str, Any]]
    problem: str


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """A record as its source holds it.

    Its canonical event, the number people know it by, and what it comes to.
    """

    body: bytes
    number: str
    total: Decimal
    currency: str
