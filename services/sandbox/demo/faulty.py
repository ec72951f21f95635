"""Faulty demo orders: an item that is missing in Heartland, a currency that does not exist."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

# Not an ISO currency; it also marks the orders that `with_currency_restored` corrects.
INVALID_CURRENCY = "US$"


def with_unknown_item(document: Json, sku: str) -> Json:
    """The order with `sku`, which is missing in Heartland, in its first line."""
    first, *others = document["line_items"]
    return {**document, "line_items": [{**first, "sku": sku, "name": sku}, *others]}


def with_invalid_currency(document: Json) -> Json:
    """The order with an invalid currency; its tags keep the valid one."""
    payments = [{**one, "amount_set": _money(one["amount"], one["currency"])} for one in document["transactions"]]
    return _in_currency({**document, "tags": document["currency"], "transactions": payments}, INVALID_CURRENCY)


def with_currency_restored(document: Json) -> Json:
    """Undoes `with_invalid_currency`."""
    return _in_currency({**document, "tags": ""}, str(document["tags"]))


def _money(amount: str, code: str) -> Json:
    money = {"amount": amount, "currency_code": code}
    return {"shop_money": money, "presentment_money": money}


def _in_currency(document: Json, code: str) -> Json:
    return {**document, "currency": code, "presentment_currency": code}
