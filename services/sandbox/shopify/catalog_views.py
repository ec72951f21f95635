"""GraphQL resolvers of products, variants and inventory items."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

from services.sandbox.shopify.executor import Resolver
from services.sandbox.shopify.gid import gid
from services.sandbox.shopify.metafields import HOLDER
from services.sandbox.shopify.money import Json
from services.sandbox.shopify.paging import page
from services.sandbox.shopify.records import InventoryItemView, ProductView, VariantView
from services.sandbox.shopify.shapes import words

# Any time before the first order.
MADE_AT: Final = datetime(2024, 1, 2, 14, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
DEFAULT: Final = "Default Title"


def product_of(variant: VariantView, _: Json) -> ProductView:
    return ProductView(variant.shop, variant.shop.catalog.products[variant.data.product_id])


def variants_of(product: ProductView, args: Json) -> Any:
    catalog = product.shop.catalog
    rows = [catalog.variants[number] for number in product.data.variant_ids]
    return page(rows, args, lambda row: VariantView(product.shop, row))


def position(variant: VariantView, _: Json) -> int:
    return product_of(variant, {}).data.variant_ids.index(variant.data.id) + 1


def display_name(variant: VariantView, _: Json) -> str:
    title = product_of(variant, {}).data.title
    return title if variant.data.title == DEFAULT else f"{title} - {variant.data.title}"


def handle(product: ProductView, _: Json) -> str:
    return re.sub(r"[^a-z0-9]+", "-", product.data.title.lower()).strip("-") or str(product.data.id)


PRODUCT: Final[dict[str, Resolver]] = {
    "id": lambda p, _: gid("Product", p.data.id),
    "legacyResourceId": lambda p, _: str(p.data.id),
    "title": lambda p, _: p.data.title,
    "handle": handle,
    "vendor": lambda p, _: p.data.vendor,
    "productType": lambda p, _: "",
    "status": lambda p, _: "ACTIVE",
    "tags": lambda p, _: words(p.shop.tags.get(gid("Product", p.data.id))),
    "createdAt": lambda p, _: MADE_AT,
    "updatedAt": lambda p, _: MADE_AT,
    "publishedAt": lambda p, _: MADE_AT,
    "isGiftCard": lambda p, _: p.data.is_gift_card,
    "hasOnlyDefaultVariant": lambda p, _: len(p.data.variant_ids) <= 1,
    "totalInventory": lambda p, _: 0,
    "tracksInventory": lambda p, _: False,
    "description": lambda p, _: "",
    "descriptionHtml": lambda p, _: "",
    "templateSuffix": lambda p, _: None,
    "variants": variants_of,
    **HOLDER,
}
VARIANT: Final[dict[str, Resolver]] = {
    "id": lambda v, _: gid("ProductVariant", v.data.id),
    "legacyResourceId": lambda v, _: str(v.data.id),
    "title": lambda v, _: v.data.title,
    "displayName": display_name,
    "sku": lambda v, _: v.data.sku,
    "barcode": lambda v, _: None,
    "price": lambda v, _: v.data.price,
    "compareAtPrice": lambda v, _: None,
    "position": position,
    "taxable": lambda v, _: v.data.taxable,
    "availableForSale": lambda v, _: True,
    "inventoryPolicy": lambda v, _: "DENY",
    "inventoryQuantity": lambda v, _: 0,
    "selectedOptions": lambda v, _: [{"name": "Title", "value": v.data.title}],
    "createdAt": lambda v, _: MADE_AT,
    "updatedAt": lambda v, _: MADE_AT,
    "product": product_of,
    "inventoryItem": lambda v, _: InventoryItemView(v.shop, v.data),
    **HOLDER,
}
INVENTORY_ITEM: Final[dict[str, Resolver]] = {
    # One inventory item per variant, with the same number.
    "id": lambda i, _: gid("InventoryItem", i.data.id),
    "legacyResourceId": lambda i, _: str(i.data.id),
    "sku": lambda i, _: i.data.sku,
    "tracked": lambda i, _: False,
    "requiresShipping": lambda i, _: i.data.requires_shipping,
    "countryCodeOfOrigin": lambda i, _: None,
    "harmonizedSystemCode": lambda i, _: None,
    "provinceCodeOfOrigin": lambda i, _: None,
    "duplicateSkuCount": lambda i, _: max(0, len(i.shop.catalog.with_sku(i.data.sku)) - 1),
    "unitCost": lambda i, _: None,
    "createdAt": lambda i, _: MADE_AT,
    "updatedAt": lambda i, _: MADE_AT,
}
