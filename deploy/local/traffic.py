"""Invented orders of an invented shop, in the JSON shape of Shopify's order webhooks.

`order(seed, number, at)` is a function of its arguments: the same three give the same order. Amounts are whole cents
until they are written down, and every order balances: lines less discounts, plus shipping, plus tax where prices do
not include it, is the total, and the successful transactions add up to it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Any

Json = dict[str, Any]

STYLES = (
    ("Harbor Tee", "TEE", 2400), ("Dockside Hoodie", "HOOD", 5850), ("Saltmarsh Cap", "CAP", 1999),
    ("Gull Canvas Tote", "TOTE", 1750), ("Breakwater Jacket", "JACK", 12995), ("Tidepool Socks", "SOCK", 899),
    ("Lantern Mug", "MUG", 1425), ("Ferryman Belt", "BELT", 3333), ("Keel Notebook", "NOTE", 1165),
    ("Beacon Scarf", "SCRF", 4210),
)  # fmt: skip
COLOURS = (("Navy", "NVY"), ("Sand", "SND"), ("Moss", "MOS"), ("Coral", "COR"))
SIZES = ("S", "M", "L", "XL")
PEOPLE = (
    ("Rae", "Quill"), ("Ida", "Marsh"), ("Teo", "Brandt"), ("Noor", "Okafor"), ("Zoë", "Lindqvist"),
    ("Mateo", "Peña"), ("June", "Abara"), ("Ann-Kathrin", "Vogel"), ("Søren", "Holt"), ("Priya", "Raman"),
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where a shopper lives, and what that means for tax (in basis points) and money."""

    city: str
    province: str
    province_code: str
    country: str
    country_code: str
    zip: str
    currency: str
    taxes: tuple[tuple[str, int], ...]
    taxes_included: bool = False


PLACES = (
    Place("Portland", "Maine", "ME", "United States", "US", "04101", "USD", (("Maine State Tax", 550),)),
    Place("Boulder", "Colorado", "CO", "United States", "US", "80302", "USD",
          (("Colorado State Tax", 290), ("Boulder County Tax", 120), ("Boulder City Tax", 386))),
    Place("Salem", "Oregon", "OR", "United States", "US", "97301", "USD", ()),
    Place("Kiel", "Schleswig-Holstein", "SH", "Germany", "DE", "24103", "EUR", (("MwSt", 1900),), True),
    Place("Cork", "Cork", "CO", "Ireland", "IE", "T12 W8KP", "EUR", (("VAT", 2300),), True),
)  # fmt: skip
SHIPPING = (("Standard", "standard", 595), ("Express", "express", 1490), ("Free over 50", "free", 0))
CARD, GIFT_CARD = "shopify_payments", "gift_card"


def orders(seed: int, *, first: int = 1001, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Iterator[Json]:
    """Orders without end, numbered from `first`, each dated at the moment it is taken."""
    return (order(seed, number, now()) for number in count(first))


def order(seed: int, number: int, at: datetime) -> Json:
    """Order `#<number>`. `at` (aware) is when it was placed; ids depend on seed and number alone."""
    random = Random(f"{seed}/{number}")
    place = PLACES[_nth(random, number, 5, (3, 4), (0, 1, 2))]
    ids = _ids(seed, number)
    lines = _lines(random, ids)
    discount = _discount(random, number, lines)
    shipping = _shipping(random, ids, place, lines)
    for line in lines:
        line.tax(place)
    return _document(random, ids, number, at, place, lines, shipping, discount)


def encode(document: Json) -> bytes:
    """The bytes as Shopify writes them: no spaces, slashes and ampersands escaped, other letters as they are."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.replace("/", "\\/").replace("&", "\\u0026").encode()


def _nth(random: Random, number: int, every: int, rare: Sequence[int], usual: Sequence[int]) -> int:
    return random.choice(rare if number % every == 0 else usual)


def _ids(seed: int, number: int) -> Iterator[int]:
    """Ids of thirteen digits that no other order has: a thousand for each order, a million orders for each seed."""
    return count(5_000_000_000_000 + (seed % 4_000_000) * 1_000_000_000 % 4_000_000_000_000 + number * 1_000)


@dataclass
class _Line:
    """A line being made; amounts in cents. `allocated` is its share of the order's discount."""

    id: int
    variant: int
    title: str
    sku: str
    quantity: int
    price: int
    allocated: int = 0
    taxes: tuple[tuple[str, int, int], ...] = ()

    @property
    def net(self) -> int:
        return self.price * self.quantity - self.allocated

    def tax(self, place: Place) -> None:
        self.taxes = _taxes(self.net, place)


def _taxes(net: int, place: Place) -> tuple[tuple[str, int, int], ...]:
    """(title, basis points, cents) per tax, rounded half up on the line; out of the price where prices include it."""
    base = 10_000 + (sum(points for _, points in place.taxes) if place.taxes_included else 0)
    return tuple((title, points, (2 * net * points + base) // (2 * base)) for title, points in place.taxes)


def _lines(random: Random, ids: Iterator[int]) -> list[_Line]:
    chosen = random.sample(range(len(STYLES) * len(COLOURS) * len(SIZES)), random.choice((1, 2, 2, 3, 3, 4)))
    return [_line(random, next(ids), article) for article in chosen]


def _line(random: Random, id_: int, article: int) -> _Line:
    name, code, price = STYLES[article // (len(COLOURS) * len(SIZES))]
    colour, colour_code = COLOURS[article // len(SIZES) % len(COLOURS)]
    size = SIZES[article % len(SIZES)]
    title, sku = f"{name} - {colour} / {size}", f"{code}-{colour_code}-{size}"
    return _Line(id_, 4_400_000_000_000 + article, title, sku, random.choice((1, 1, 2, 3, 3, 5, 7)), price)


def _discount(random: Random, number: int, lines: list[_Line]) -> int:
    """Every third order has a code; its cents are shared out by largest remainder and rarely divide by a quantity."""
    if number % 3:
        return 0
    gross = [line.price * line.quantity for line in lines]
    off = min(random.choice((500, 1000, sum(gross) * 15 // 100)), sum(gross) // 2)
    shares = [off * amount // sum(gross) for amount in gross]
    by_rest = sorted(range(len(lines)), key=lambda i: (-(off * gross[i] % sum(gross)), i))
    for index in by_rest[: off - sum(shares)]:
        shares[index] += 1
    for line, share in zip(lines, shares, strict=True):
        line.allocated = share
    return off


def _shipping(random: Random, ids: Iterator[int], place: Place, lines: list[_Line]) -> Json:
    """One shipping line; taxed where prices include tax, as usual there."""
    title, code, cents = SHIPPING[2] if sum(line.net for line in lines) > 15_000 else random.choice(SHIPPING[:2])
    taxes = _taxes(cents, place) if place.taxes_included and cents else ()
    return {
        "id": next(ids),
        "title": title,
        "code": code,
        "source": "shopify",
        "carrier_identifier": None,
        "is_removed": False,
        "price": _text(cents),
        "discounted_price": _text(cents),
        "price_set": _set(cents, place.currency),
        "discount_allocations": [],
        "tax_lines": [_tax_line(tax) for tax in taxes],
        "cents": cents,
        "taxes": taxes,
    }


def _text(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _set(cents: int, currency: str) -> Json:
    money = {"amount": _text(cents), "currency_code": currency}
    return {"shop_money": money, "presentment_money": dict(money)}


def _tax_line(tax: tuple[str, int, int]) -> Json:
    title, points, cents = tax
    return {"title": title, "rate": points / 10_000, "price": _text(cents), "channel_liable": False}


def _line_item(line: _Line, currency: str) -> Json:
    title, variant_title = line.title.split(" - ")
    allocations = [{"amount": _text(line.allocated), "discount_application_index": 0}] if line.allocated else []
    return {
        "id": line.id,
        "admin_graphql_api_id": f"gid://shopify/LineItem/{line.id}",
        "variant_id": line.variant,
        "product_id": line.variant - line.variant % 16 + 800_000_000_000,
        "sku": line.sku,
        "title": title,
        "variant_title": variant_title,
        "name": line.title,
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


def _document(
    random: Random,
    ids: Iterator[int],
    number: int,
    at: datetime,
    place: Place,
    lines: list[_Line],
    shipping: Json,
    discount: int,
) -> Json:
    taxes = _sum_taxes([line.taxes for line in lines] + [shipping.pop("taxes")])
    carriage = shipping.pop("cents")
    tax = sum(cents for _, _, cents in taxes)
    gross, net = sum(line.price * line.quantity for line in lines), sum(line.net for line in lines)
    total = net + carriage + (0 if place.taxes_included else tax)
    id_, moment = next(ids), at.astimezone(UTC).isoformat(timespec="seconds")
    person = _person(random, number, place)
    transactions = _transactions(random, ids, number, id_, total, place.currency, moment)
    currency = place.currency
    return {
        "id": id_,
        "admin_graphql_api_id": f"gid://shopify/Order/{id_}",
        "name": f"#{number}",
        "number": number - 1000,
        "order_number": number,
        "confirmation_number": f"{Random(id_).getrandbits(45):09X}"[:9],
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
        "currency": currency,
        "presentment_currency": currency,
        "taxes_included": place.taxes_included,
        "tax_exempt": False,
        **_totals(currency, gross=gross, discount=discount, net=net, tax=tax, total=total, shipping=carriage),
        "tax_lines": [_tax_line(line) for line in taxes],
        **_discounts(discount),
        "line_items": [_line_item(line, currency) for line in lines],
        "shipping_lines": [shipping],
        **person,
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


def _sum_taxes(taxes: Sequence[tuple[tuple[str, int, int], ...]]) -> list[tuple[str, int, int]]:
    sums: dict[tuple[str, int], int] = {}
    for title, points, cents in (tax for group in taxes for tax in group):
        sums[title, points] = sums.get((title, points), 0) + cents
    return [(title, points, cents) for (title, points), cents in sums.items()]


def _totals(currency: str, *, gross: int, discount: int, net: int, tax: int, total: int, shipping: int) -> Json:
    amounts = {
        "total_line_items_price": gross,
        "total_discounts": discount,
        "subtotal_price": net,
        "total_tax": tax,
        "total_price": total,
    }
    current = {"subtotal_price": net, "total_discounts": discount, "total_tax": tax, "total_price": total}
    return {
        **{name: _text(cents) for name, cents in amounts.items()},
        **{f"{name}_set": _set(cents, currency) for name, cents in amounts.items()},
        **{f"current_{name}": _text(cents) for name, cents in current.items()},
        "total_shipping_price_set": _set(shipping, currency),
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


def _person(random: Random, number: int, place: Place) -> Json:
    """Who bought: every fourth a guest, known by an e-mail address alone; the others come back now and then."""
    first, last = random.choice(PEOPLE)
    guest = number % 4 == 0
    serial = number if guest else number % 40
    email = f"{first}.{last}.{serial}@example.com".lower().replace("ë", "e").replace("ø", "o").replace("ñ", "n")
    address = _address(random, first, last, place)
    customer_id = 7_000_000_000_000 + PEOPLE.index((first, last)) * 100 + serial
    customer = {
        "id": customer_id,
        "admin_graphql_api_id": f"gid://shopify/Customer/{customer_id}",
        "email": email,
        "first_name": first,
        "last_name": last,
        "phone": None,
        "state": "enabled",
        "tax_exempt": False,
        "verified_email": True,
    }
    return {
        "email": email,
        "contact_email": email,
        "phone": None,
        "customer": None if guest else customer,
        "billing_address": address,
        "shipping_address": dict(address),
    }


def _address(random: Random, first: str, last: str, place: Place) -> Json:
    return {
        "first_name": first,
        "last_name": last,
        "name": f"{first} {last}",
        "company": None,
        "address1": f"{random.randint(1, 240)} Quay Street",
        "address2": random.choice(("", "Apt 4", "2nd floor")),
        "city": place.city,
        "province": place.province,
        "province_code": place.province_code,
        "country": place.country,
        "country_code": place.country_code,
        "zip": place.zip,
        "phone": None,
    }


def _transactions(
    random: Random, ids: Iterator[int], number: int, order_id: int, total: int, currency: str, moment: str
) -> list[Json]:
    """One card sale, or every fifth time a gift card first and the card for the rest."""
    gift = random.randint(1, total - 1) if number % 5 == 1 and total > 1 else 0
    tenders = [(GIFT_CARD, gift), (CARD, total - gift)] if gift else [(CARD, total)]
    return [_transaction(next(ids), order_id, gateway, cents, currency, moment) for gateway, cents in tenders]


def _transaction(id_: int, order_id: int, gateway: str, cents: int, currency: str, moment: str) -> Json:
    return {
        "id": id_,
        "admin_graphql_api_id": f"gid://shopify/OrderTransaction/{id_}",
        "order_id": order_id,
        "kind": "sale",
        "gateway": gateway,
        "status": "success",
        "amount": _text(cents),
        "currency": currency,
        "parent_id": None,
        "processed_at": moment,
        "test": False,
    }
