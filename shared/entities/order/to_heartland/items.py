"""Items of one account by SKU: looked up in batches and cached.

Tillbridge's own items are created when needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from shared.canonical.priority import PRIORITIES
from shared.connectors.heartland.client import HeartlandClient
from shared.entities.order.heartland.items import create_item, items_by_sku
from shared.entities.order.settings import HeartlandOrderSettings
from shared.entities.order.to_heartland.ids import text_id
from shared.errors import Waiting
from shared.limits.call_context import CallContext, PreSendCheck
from shared.runtime.clock import Clock
from shared.state.ledger import Effect
from shared.sync.batch_lookup import BatchLookup
from shared.sync.create_once import CreateOnce, ReadLag
from shared.sync.key_locks import KeyLocks

# Look-ups of concurrent orders within this time share one call.
WINDOW_SECONDS = 0.005
_CACHED_AT_MOST = 50_000


class Items:
    """SKU -> item id. Only items that exist are cached."""

    def __init__(
        self,
        heartland: HeartlandClient,
        create_once: CreateOnce,
        lag: ReadLag,
        settings: HeartlandOrderSettings,
        connection: str,
        *,
        clock: Clock,
        keep_seconds: float,
        window_seconds: float = WINDOW_SECONDS,
    ) -> None:
        self._heartland = heartland
        self._create_once = create_once
        self._lag = lag
        self._rules = settings
        self._connection = connection
        self._clock = clock
        self._keep_seconds = keep_seconds
        # SKU -> (item id, when the entry expires on the monotonic clock)
        self._cached: dict[str, tuple[int, float]] = {}
        # One batch per priority, so that no live look-up waits for one of lower priority.
        self._batches = {
            name: BatchLookup(partial(self._load, CallContext(name)), window_seconds) for name in PRIORITIES
        }
        self._locks = KeyLocks()

    async def get_or_create(self, skus: Iterable[str], own: Iterable[str], context: CallContext) -> Mapping[str, int]:
        """The items of all `skus`.

        Missing ones are created if they are in `own`; otherwise this raises Waiting.
        """
        found = await self.existing(skus, context)
        missing = [sku for sku in skus if sku not in found]
        creatable = set(own)
        unknown = sorted(sku for sku in missing if sku not in creatable)
        if unknown:
            raise Waiting(f"Heartland has no item {', '.join(unknown)}", waits_for=f"item:{unknown[0]}")
        return {**found, **{sku: await self._create(sku, context) for sku in missing}}

    async def existing(self, skus: Iterable[str], context: CallContext) -> dict[str, int]:
        """Those that exist. Heartland is asked only about those that are not cached."""
        now = self._clock.monotonic()
        cached = {sku: entry[0] for sku in skus if (entry := self._cached.get(sku)) and entry[1] > now}
        rest = [sku for sku in skus if sku not in cached]
        return {**cached, **(await self._batches[context.priority].get(rest, context.subjects) if rest else {})}

    def forget(self, skus: Iterable[str]) -> None:
        """Drop these from the cache: Heartland refused a call that named them."""
        for sku in skus:
            self._cached.pop(sku, None)

    async def _load(self, context: CallContext, skus: list[str], subjects: frozenset[str]) -> dict[str, int]:
        items = await items_by_sku(self._heartland, skus, context.about(*subjects))
        found = {sku: item.id for sku, item in items.items()}
        for sku, item_id in found.items():
            self._cache(sku, item_id)
        return found

    def _cache(self, sku: str, item_id: int) -> None:
        self._cached.pop(sku, None)
        self._cached[sku] = (item_id, self._clock.monotonic() + self._keep_seconds)
        if len(self._cached) > _CACHED_AT_MOST:
            del self._cached[next(iter(self._cached))]

    async def _create(self, sku: str, context: CallContext) -> int:
        """Create an item that stands for no goods: not stocked, its price set on each line."""

        async def send(check: PreSendCheck) -> str | None:
            body = own_item(sku, self._rules)
            return text_id(await create_item(self._heartland, body, context.checked_by(check)))

        async def find() -> str | None:
            item = (await items_by_sku(self._heartland, [sku], context)).get(sku)
            return text_id(item.id) if item else None

        async with self._locks.of(sku):
            effect = Effect(self._connection, "heartland", "product", sku, "product:create")
            item_id = int((await self._create_once(effect, send, find, self._lag)).id)
        self._cache(sku, item_id)
        return item_id


def own_item(sku: str, settings: HeartlandOrderSettings) -> dict[str, object]:
    """The body that creates one of Tillbridge's own items."""
    names = {
        settings.placeholder_sku: "Shopify item without SKU",
        settings.tip_sku: "Shopify tip",
        settings.duty_sku: "Shopify duties",
        settings.fee_sku: "Shopify fee",
        settings.rounding_sku: "Shopify cash rounding",
        settings.discount_sku: "Shopify order discount",
    }
    return {
        "public_id": sku,
        "description": names.get(sku, sku),
        "cost": 0,
        "price": 0,
        "active": True,
        "track_inventory": False,
    }
