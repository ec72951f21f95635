"""Products and variants, created from the order lines that refer to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from services.sandbox.shopify.money import Json


@dataclass(slots=True)
class Variant:
    id: int
    product_id: int
    sku: str
    title: str
    price: str
    stored: float
    requires_shipping: bool = True
    taxable: bool = True


@dataclass(slots=True)
class Product:
    id: int
    title: str
    vendor: str
    is_gift_card: bool
    stored: float
    variant_ids: list[int] = field(default_factory=list)


class Catalog:
    def __init__(self, ids: Iterator[int]) -> None:
        self._ids = ids
        self.products: dict[int, Product] = {}
        self.variants: dict[int, Variant] = {}
        self._by_sku: dict[str, list[int]] = {}
        self._by_title: dict[str, int] = {}

    def with_sku(self, sku: str) -> list[Variant]:
        """All variants with this SKU, which need not be unique in Shopify."""
        return [self.variants[number] for number in self._by_sku.get(sku, ())]

    def note(self, line: Json, stored: float) -> None:
        """Creates the product and variant of an order line.

        A line with variant null is a custom line and has none.
        """
        sku = str(line.get("sku") or "")
        if "variant_id" not in line and sku:
            found = self.with_sku(sku)
            line["variant_id"] = found[0].id if found else next(self._ids)
        variant_id = line.get("variant_id")
        if not variant_id or line.get("product_exists") is False or variant_id in self.variants:
            return
        product = self._product(line, stored)
        line["product_id"] = product.id
        variant = Variant(
            id=variant_id,
            product_id=product.id,
            sku=sku,
            title=str(line.get("variant_title") or "Default Title"),
            price=str(line.get("price") or "0.00"),
            stored=stored,
            requires_shipping=line.get("requires_shipping") is not False,
            taxable=line.get("taxable") is not False,
        )
        self.variants[variant.id] = variant
        product.variant_ids.append(variant.id)
        if sku:
            self._by_sku.setdefault(sku, []).append(variant.id)

    def _product(self, line: Json, stored: float) -> Product:
        title = str(line.get("title") or line.get("name") or line.get("sku") or "Untitled")
        product_id = line.get("product_id") or self._by_title.get(title) or next(self._ids)
        found = self.products.get(product_id)
        if found is None:
            found = Product(product_id, title, str(line.get("vendor") or ""), bool(line.get("gift_card")), stored)
            self.products[product_id] = found
            self._by_title[title] = product_id
        return found
