"""Places an order like the shop's checkout: stores it, creates missing items, sends its webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.sandbox.shopify import payments, totals
from services.sandbox.shopify.gid import numeric
from services.sandbox.shopify.money import Json, text
from services.sandbox.shopify.shop import Shop


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """The stored order and its sent webhooks."""

    doc: Json
    topics: tuple[str, ...]
    webhook_ids: list[str]


def place(shop: Shop, posted: Json, *, makes_items: bool = True, sends_webhooks: bool = True) -> PlacedOrder:
    """Stores `posted`, a new order or a new state of an existing one.

    `makes_items`: creates missing items in Heartland. Raises ValueError, TypeError, KeyError or
    AttributeError for an invalid order.
    """
    before, doc = _store(shop, posted)
    if makes_items:
        _make_items(shop, doc["rest"])
    topics = _topics(before, doc["rest"]) if sends_webhooks else ()
    return PlacedOrder(doc, topics, shop.announce(doc, topics))


def _store(shop: Shop, posted: Json) -> tuple[Json | None, Json]:
    known = numeric(posted.get("id"))
    previous = shop.orders.get(known) if known else None
    before = None if previous is None else dict(previous["rest"])
    return before, shop.take(posted)


def _topics(before: Json | None, rest: Json) -> tuple[str, ...]:
    is_paid = payments.status(rest) == "paid"
    if before is None:
        return ("orders/create", "orders/paid") if is_paid else ("orders/create",)
    newly_paid = is_paid and payments.status(before) != "paid"
    newly_cancelled = bool(rest.get("cancelled_at")) and not before.get("cancelled_at")
    extra = [*(["orders/paid"] if newly_paid else []), *(["orders/cancelled"] if newly_cancelled else [])]
    return ("orders/updated", *extra)


def _make_items(shop: Shop, rest: Json) -> None:
    item_source: Any = getattr(shop.world, "heartland", None)
    for line in totals.lines(rest):
        if item_source is not None and line.get("sku"):
            title = str(line.get("name") or line.get("title") or line["sku"])
            item_source.ensure_item(str(line["sku"]), title, text(totals.price(line)))
