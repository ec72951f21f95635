"""Generates orders of a fictitious shop in the format of Shopify's order webhooks, about 6 KB each.

`order(seed, number, at)` is pure: the same arguments give the same order. Every order balances: lines less discounts,
plus shipping, plus tax (unless prices include it) equal the total, and so does the sum of successful transactions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Any

from services.sandbox.demo.basket import Basket, Destination, Line, ShippingLine, Tax, fill_basket

Json = dict[str, Any]

BUYERS = (
    ("Rae", "Quill"), ("Ida", "Marsh"), ("Teo", "Brandt"), ("Noor", "Okafor"), ("Zoë", "Lindqvist"),
    ("Mateo", "Peña"), ("June", "Abara"), ("Ann-Kathrin", "Vogel"), ("Søren", "Holt"), ("Priya", "Raman"),
)  # fmt: skip
_ASCII = str.maketrans("ëñø", "eno")
DOMESTIC = (
    Destination("Portland", "Maine", "ME", "United States", "US", "04101", "USD", (("Maine State Tax", 550),)),
    Destination("Boulder", "Colorado", "CO", "United States", "US", "80302", "USD",
          (("Colorado State Tax", 290), ("Boulder County Tax", 120), ("Boulder City Tax", 386))),
    Destination("Salem", "Oregon", "OR", "United States", "US", "97301", "USD", ()),
)  # fmt: skip
FOREIGN = (
    Destination("Kiel", "Schleswig-Holstein", "SH", "Germany", "DE", "24103", "EUR", (("MwSt", 1900),), True),
    Destination("Cork", "Cork", "CO", "Ireland", "IE", "T12 W8KP", "EUR", (("VAT", 2300),), True),
)
CARD, GIFT_CARD = "shopify_payments", "gift_card"


def orders(seed: int, *, first: int = 1001, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Iterator[Json]:
    """An endless series of orders, numbered from `first`, each dated when it is generated."""
    return (order(seed, number, now()) for number in count(first))


def order(seed: int, number: int, at: datetime) -> Json:
    """Order `#<number>`. `at` (aware) is when it was placed; ids depend on seed and number only."""
    random = Random(f"{seed}/{number}")
    ids = _ids(seed, number)
    destination = random.choice(DOMESTIC if number % 5 else FOREIGN)
    basket = fill_basket(random, ids, number, destination)
    return _document(random, ids, number, at.astimezone(UTC).isoformat(timespec="seconds"), basket)


def encode(document: Json) -> bytes:
    """The JSON bytes as Shopify writes them: no spaces, escaped slashes and ampersands, unescaped Unicode."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.replace("/", "\\/").replace("&", "\\u0026").encode()


def _ids(seed: int, number: int) -> Iterator[int]:
    """Ids of thirteen digits: 1,000 for each of 1,000,000 orders of each of 4,000 seeds."""
    return count(5_000_000_000_000 + seed % 4_000 * 1_000_000_000 + number % 1_000_000 * 1_000)


def _document(random: Random, ids: Iterator[int], number: int, moment: str, basket: Basket) -> Json:
    order_id, currency = next(ids), basket.destination.currency
    transactions = _transactions(random, ids, number, basket)
    for entry in transactions:
        entry |= {"order_id": order_id, "processed_at": moment}
    return {
        **_identity(order_id, number, moment),
        "currency": currency,
        "presentment_currency": currency,
        "taxes_included": basket.destination.taxes_included,
        "tax_exempt": False,
        **_totals(basket),
        "tax_lines": [_tax_line(tax) for tax in basket.taxes],
        **_discounts(basket.discount),
        "line_items": [_line_item(line, currency) for line in basket.lines],
        "shipping_lines": [_shipping_line(basket.shipping, currency)],
        **_buyer(random, number, basket.destination),
        "note": random.choice((None, None, "Please leave it with the neighbour at no. 7")),
        "note_attributes": [{"name": "gift_wrap", "value": "yes"}] if number % 6 == 0 else [],
        "tags": random.choice(("", "web", "repeat, newsletter")),
        "payment_gateway_names": sorted({entry["gateway"] for entry in transactions}),
        "transactions": transactions,
        "fulfillments": [],
        "refunds": [],
        "landing_site": "/collections/new?utm_source=letter&utm_medium=email",
        "referring_site": "",
        "customer_locale": "en",
    }


def _identity(order_id: int, number: int, moment: str) -> Json:
    return {
        "id": order_id,
        "admin_graphql_api_id": f"gid://shopify/Order/{order_id}",
        "name": f"#{number}",
        "number": number - 1000,
        "order_number": number,
        "confirmation_number": f"T{order_id:X}"[-9:],
        "app_id": 580111,
        "source_name": "web",
        "test": False,
        "confirmed": True,
        "created_at": moment,
        "updated_at": moment,
        "processed_at": moment,
        "cancelled_at": None,
        "cancel_reason": None,
        "closed_at": None,
        "financial_status": "paid",
        "fulfillment_status": None,
    }


def _text(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _set(cents: int, currency: str) -> Json:
    money = {"amount": _text(cents), "currency_code": currency}
    return {"shop_money": money, "presentment_money": dict(money)}


def _tax_line(tax: Tax) -> Json:
    title, points, cents = tax
    return {"title": title, "rate": points / 10_000, "price": _text(cents), "channel_liable": False}


def _totals(basket: Basket) -> Json:
    amounts = {
        "total_line_items_price": basket.gross,
        "total_discounts": basket.discount,
        "subtotal_price": basket.net,
        "total_tax": basket.tax,
        "total_price": basket.total,
    }
    currency = basket.destination.currency
    return {
        **{name: _text(cents) for name, cents in amounts.items()},
        **{f"{name}_set": _set(cents, currency) for name, cents in amounts.items()},
        **{f"current_{name}": _text(cents) for name, cents in amounts.items() if name != "total_line_items_price"},
        "total_shipping_price_set": _set(basket.shipping.price, currency),
        "total_outstanding": "0.00",
        "total_tip_received": "0.00",
    }


def _discounts(discount: int) -> Json:
    if not discount:
        return {"discount_codes": [], "discount_applications": []}
    amount, code = _text(discount), "TIDE"
    application = {
        "type": "discount_code",
        "target_type": "line_item",
        "target_selection": "all",
        "allocation_method": "across",
        "value_type": "fixed_amount",
        "value": amount,
        "code": code,
    }
    codes = [{"code": code, "amount": amount, "type": "fixed_amount"}]
    return {"discount_codes": codes, "discount_applications": [application]}


def _line_item(line: Line, currency: str) -> Json:
    allocations = [{"amount": _text(line.allocated), "discount_application_index": 0}] if line.allocated else []
    return {
        "id": line.id,
        "admin_graphql_api_id": f"gid://shopify/LineItem/{line.id}",
        "variant_id": line.variant,
        "product_id": line.variant - line.variant % 16 + 800_000_000_000,
        "sku": line.sku,
        "title": line.style,
        "variant_title": line.option,
        "name": f"{line.style} - {line.option}",
        "vendor": "Harbor & Sons",
        "quantity": line.quantity,
        "current_quantity": line.quantity,
        "fulfillable_quantity": line.quantity,
        "fulfillment_status": None,
        "fulfillment_service": "manual",
        "price": _text(line.price),
        "price_set": _set(line.price, currency),
        "total_discount": "0.00",
        "discount_allocations": allocations,
        "tax_lines": [_tax_line(tax) for tax in line.taxes],
        "taxable": True,
        "gift_card": False,
        "requires_shipping": True,
        "grams": 250,
        "product_exists": True,
        "properties": [],
    }


def _shipping_line(shipping: ShippingLine, currency: str) -> Json:
    return {
        "id": shipping.id,
        "title": shipping.title,
        "code": shipping.code,
        "source": "shopify",
        "carrier_identifier": None,
        "is_removed": False,
        "price": _text(shipping.price),
        "discounted_price": _text(shipping.price),
        "price_set": _set(shipping.price, currency),
        "discount_allocations": [],
        "tax_lines": [_tax_line(tax) for tax in shipping.taxes],
    }


def _buyer(random: Random, number: int, destination: Destination) -> Json:
    """The buyer: every fourth is a guest with an e-mail address only; the others are recurring customers."""
    first, last = random.choice(BUYERS)
    guest = number % 4 == 0
    serial = number if guest else number % 40
    email = f"{first}.{last}.{serial}@example.com".lower().translate(_ASCII)
    customer_id = 7_000_000_000_000 + BUYERS.index((first, last)) * 100 + serial
    address = _address(random, first, last, destination)
    return {
        "email": email,
        "contact_email": email,
        "phone": None,
        "customer": None if guest else _customer(customer_id, first, last, email),
        "billing_address": address,
        "shipping_address": dict(address),
    }


def _customer(id_: int, first: str, last: str, email: str) -> Json:
    return {
        "id": id_,
        "admin_graphql_api_id": f"gid://shopify/Customer/{id_}",
        "email": email,
        "first_name": first,
        "last_name": last,
        "phone": None,
        "state": "enabled",
        "tax_exempt": False,
        "verified_email": True,
    }


def _address(random: Random, first: str, last: str, destination: Destination) -> Json:
    return {
        "first_name": first,
        "last_name": last,
        "name": f"{first} {last}",
        "company": None,
        "address1": f"{random.randint(1, 240)} Quay Street",
        "address2": random.choice(("", "Apt 4", "2nd floor")),
        "city": destination.city,
        "province": destination.province,
        "province_code": destination.province_code,
        "country": destination.country,
        "country_code": destination.country_code,
        "zip": destination.zip,
        "phone": None,
    }


def _transactions(random: Random, ids: Iterator[int], number: int, basket: Basket) -> list[Json]:
    """One card sale; every fifth order is paid with a gift card and the rest by card."""
    total = basket.total
    gift = random.randint(1, total - 1) if number % 5 == 1 and total > 1 else 0
    tenders = [(GIFT_CARD, gift), (CARD, total - gift)] if gift else [(CARD, total)]
    return [_sale(next(ids), gateway, cents, basket.destination.currency) for gateway, cents in tenders]


def _sale(id_: int, gateway: str, cents: int, currency: str) -> Json:
    return {
        "id": id_,
        "admin_graphql_api_id": f"gid://shopify/OrderTransaction/{id_}",
        "kind": "sale",
        "gateway": gateway,
        "status": "success",
        "amount": _text(cents),
        "currency": currency,
        "parent_id": None,
        "test": False,
    }
