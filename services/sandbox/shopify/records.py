"""The objects that GraphQL resolvers receive: a stored record with its shop. `kind` is its type name."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from services.sandbox.shopify import payments, totals
from services.sandbox.shopify.catalog import Product, Variant
from services.sandbox.shopify.money import ZERO, Json, shop_amount
from services.sandbox.shopify.money_views import MoneyView
from services.sandbox.shopify.redaction import redacted_order
from services.sandbox.shopify.shop import Shop
from services.sandbox.shopify.subscriptions import Subscription


class OrderView:
    """An order within one answer."""

    __slots__ = ("doc", "money", "rest", "shop")
    kind: ClassVar[str] = "Order"

    def __init__(self, shop: Shop, doc: Json) -> None:
        self.shop = shop
        self.doc = doc
        hidden = shop.options.hide_personal_data
        self.rest: Json = redacted_order(doc["rest"]) if hidden else doc["rest"]
        self.money = MoneyView(self.rest)

    @property
    def payments(self) -> list[Json]:
        found: list[Json] = self.doc["payments"]
        return found

    @property
    def outstanding(self) -> Decimal:
        posted = shop_amount(self.rest, "total_outstanding")
        if posted is not None:
            return posted
        return max(ZERO, totals.current_total(self.rest) - self.net)

    @property
    def net(self) -> Decimal:
        return payments.received(self.payments) - payments.refunded(self.payments)


class Part:
    """A part of an order; `data` is its part of the stored record."""

    __slots__ = ("data", "kind", "order")

    def __init__(self, kind: str, order: OrderView, data: Json) -> None:
        self.kind, self.order, self.data = kind, order, data


@dataclass(slots=True)
class CustomerView:
    shop: Shop
    data: Json
    kind: ClassVar[str] = "Customer"


@dataclass(slots=True)
class LocationView:
    shop: Shop
    data: Json
    kind: ClassVar[str] = "Location"


@dataclass(slots=True)
class VariantView:
    shop: Shop
    data: Variant
    kind: ClassVar[str] = "ProductVariant"


@dataclass(slots=True)
class InventoryItemView:
    shop: Shop
    data: Variant
    kind: ClassVar[str] = "InventoryItem"


@dataclass(slots=True)
class ProductView:
    shop: Shop
    data: Product
    kind: ClassVar[str] = "Product"


@dataclass(slots=True)
class SubscriptionView:
    shop: Shop
    data: Subscription
    kind: ClassVar[str] = "WebhookSubscription"


@dataclass(slots=True)
class ShopView:
    """The shop, or (by `kind`) the app's installation."""

    shop: Shop
    kind: str = "Shop"


def parts(kind: str, order: OrderView, rows: list[Json]) -> list[Part]:
    return [Part(kind, order, row) for row in rows]


def location_view(shop: Shop, number: int) -> LocationView:
    return LocationView(shop, shop.locations.at(number))
