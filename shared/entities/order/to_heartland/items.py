"""Items of one account by SKU: looked up in batches and cached; the bridge's own are created when first needed."""

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
_KEPT_AT_MOST = 50_000


class Items:
    """SKU -> item id. What does not exist is never remembered."""

    def __init__(
        self,
        heartland: HeartlandClient,
        create_once: CreateOnce,
        lag: ReadLag,
        rules: HeartlandOrderSettings,
        connection: str,
        *,
        clock: Clock,
        keep_seconds: float,
        window_seconds: float = WINDOW_SECONDS,
    ) -> None:
        self._heartland = heartland
        self._create_once = create_once
        self._lag = lag
        self._rules = rules
        self._connection = connection
        self._clock = clock
        self._keep_seconds = keep_seconds
        self._kept: dict[str, tuple[int, float]] = {}
        # A batch of its own for each priority, so that no live look-up waits for another.
        self._batches = {
            name: BatchLookup(partial(self._load, CallContext(name)), window_seconds) for name in PRIORITIES
        }
        self._locks = KeyLocks()

    async def find(self, skus: Iterable[str], own: Iterable[str], context: CallContext) -> Mapping[str, int]:
        """All of these; those of `own` are created where they are missing. Raises Waiting for any other."""
        found = await self.existing(skus, context)
        missing = [sku for sku in skus if sku not in found]
        ours = set(own)
        unknown = sorted(sku for sku in missing if sku not in ours)
        if unknown:
            raise Waiting(f"Heartland has no item {', '.join(unknown)}", waits_for=f"item:{unknown[0]}")
        return {**found, **{sku: await self._create(sku, context) for sku in missing}}

    async def existing(self, skus: Iterable[str], context: CallContext) -> dict[str, int]:
        """Those that exist, asking Heartland only about those not kept."""
        now = self._clock.monotonic()
        kept = {sku: at[0] for sku in skus if (at := self._kept.get(sku)) and at[1] > now}
        rest = [sku for sku in skus if sku not in kept]
        return {**kept, **(await self._batches[context.priority].get(rest, context.subjects) if rest else {})}

    def forget(self, skus: Iterable[str]) -> None:
        """Heartland refused something with these: ask again next time."""
        for sku in skus:
            self._kept.pop(sku, None)

    async def _load(self, context: CallContext, skus: list[str], subjects: frozenset[str]) -> dict[str, int]:
        items = await items_by_sku(self._heartland, skus, context.about(*subjects))
        found = {sku: item.id for sku, item in items.items()}
        for sku, item_id in found.items():
            self._keep(sku, item_id)
        return found

    def _keep(self, sku: str, item_id: int) -> None:
        self._kept.pop(sku, None)
        self._kept[sku] = (item_id, self._clock.monotonic() + self._keep_seconds)
        if len(self._kept) > _KEPT_AT_MOST:
            del self._kept[next(iter(self._kept))]

    async def _create(self, sku: str, context: CallContext) -> int:
        """An item that stands for no goods: not stocked, priced on each line."""

        async def send(check: PreSendCheck) -> str | None:
            body = own_item(sku, self._rules)
            return text_id(await create_item(self._heartland, body, context.checked_by(check)))

        async def find() -> str | None:
            item = (await items_by_sku(self._heartland, [sku], context)).get(sku)
            return text_id(item.id) if item else None

        async with self._locks.of(sku):
            effect = Effect(self._connection, "heartland", "product", sku, "product:create")
            item_id = int((await self._create_once(effect, send, find, self._lag)).id)
        self._keep(sku, item_id)
        return item_id


def own_item(sku: str, rules: HeartlandOrderSettings) -> dict[str, object]:
    names = {
        rules.placeholder_sku: "Shopify item without SKU",
        rules.tip_sku: "Shopify tip",
        rules.duty_sku: "Shopify duties",
        rules.fee_sku: "Shopify fee",
        rules.rounding_sku: "Shopify cash rounding",
        rules.discount_sku: "Shopify order discount",
    }
    return {
        "public_id": sku,
        "description": names.get(sku, sku),
        "cost": 0,
        "price": 0,
        "active": True,
        "track_inventory": False,
    }
