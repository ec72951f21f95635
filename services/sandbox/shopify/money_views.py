"""Money in GraphQL answers. A posted amount keeps its notation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from services.sandbox.shopify import totals
from services.sandbox.shopify.money import ONE, ZERO, Json, number, rounded, text


class MoneyView:
    """Formats one order's amounts in its two currencies."""

    __slots__ = ("currency", "presentment", "rate")

    def __init__(self, rest: Json) -> None:
        self.currency: str = rest["currency"]
        self.presentment = totals.presentment_currency(rest)
        self.rate = ONE if self.presentment == self.currency else totals.rate(rest)

    def bag(self, amount: Decimal) -> Json:
        """A money bag of a computed amount in the shop's currency."""
        shown = self._in_presentment_currency(amount)
        return self._both(text(amount), text(shown))

    def posted(self, holder: Mapping[str, Any], key: str) -> Json | None:
        """The posted amount of `key`, from a money set or a plain amount; None if there is none."""
        both = holder.get(f"{key}_set")
        if isinstance(both, dict):
            shop, presentment = both.get("shop_money"), both.get("presentment_money")
            if isinstance(shop, dict) and number(shop.get("amount")) is not None:
                return {"shopMoney": self._money(shop), "presentmentMoney": self._money(presentment or shop)}
        plain = holder.get(key)
        found = number(plain)
        if found is None:
            return None
        if self.rate == ONE:
            return self._both(str(plain), str(plain))
        return self._both(str(plain), text(self._in_presentment_currency(found)))

    def of(self, holder: Mapping[str, Any], key: str, otherwise: Callable[[], Decimal] = lambda: ZERO) -> Json:
        """The posted amount of `key`, else what `otherwise` computes."""
        return self.posted(holder, key) or self.bag(otherwise())

    def _in_presentment_currency(self, amount: Decimal) -> Decimal:
        return amount if self.rate == ONE else rounded(amount * self.rate, self.presentment)

    def _both(self, shop: str, presentment: str) -> Json:
        return {
            "shopMoney": {"amount": shop, "currencyCode": self.currency},
            "presentmentMoney": {"amount": presentment, "currencyCode": self.presentment},
        }

    def _money(self, posted: Json) -> Json:
        return {"amount": str(posted.get("amount")), "currencyCode": posted.get("currency_code") or self.currency}
