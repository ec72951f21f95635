"""Generates the lines, discounts, shipping and taxes of an order. All amounts are whole cents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

STYLES = (
    ("Harbor Tee", "TEE", 2400), ("Dockside Hoodie", "HOOD", 5850), ("Saltmarsh Cap", "CAP", 1999),
    ("Gull Canvas Tote", "TOTE", 1750), ("Breakwater Jacket", "JACK", 12995), ("Tidepool Socks", "SOCK", 899),
    ("Lantern Mug", "MUG", 1425), ("Ferryman Belt", "BELT", 3333), ("Keel Notebook", "NOTE", 1165),
    ("Beacon Scarf", "SCRF", 4210),
)  # fmt: skip
COLOURS = (("Navy", "NVY"), ("Sand", "SND"), ("Moss", "MOS"), ("Coral", "COR"))
SIZES = ("S", "M", "L", "XL")
SHIPPING = (("Standard", "standard", 595), ("Express", "express", 1490))
FREE_SHIPPING = ("Free over 150", "free", 0)
_FREE_FROM = 15_000

Tax = tuple[str, int, int]  # title, basis points, cents


@dataclass(frozen=True)
class Destination:
    """A delivery address with its currency and taxes (in basis points)."""

    city: str
    province: str
    province_code: str
    country: str
    country_code: str
    zip: str
    currency: str
    taxes: tuple[tuple[str, int], ...]
    taxes_included: bool = False


@dataclass
class Line:
    """`allocated` is this line's share of the order's discount."""

    id: int
    variant: int
    style: str
    option: str
    sku: str
    quantity: int
    price: int
    allocated: int = 0
    taxes: tuple[Tax, ...] = ()

    @property
    def gross(self) -> int:
        return self.price * self.quantity

    @property
    def net(self) -> int:
        return self.gross - self.allocated


@dataclass(frozen=True)
class ShippingLine:
    """The shipping line."""

    id: int
    title: str
    code: str
    price: int
    taxes: tuple[Tax, ...]


@dataclass(frozen=True)
class Basket:
    destination: Destination
    lines: list[Line]
    shipping: ShippingLine
    discount: int

    @property
    def gross(self) -> int:
        return sum(line.gross for line in self.lines)

    @property
    def net(self) -> int:
        return sum(line.net for line in self.lines)

    @property
    def taxes(self) -> list[Tax]:
        """One entry per tax, over lines and shipping."""
        sums: dict[tuple[str, int], int] = {}
        taxes = [tax for line in self.lines for tax in line.taxes]
        for title, points, cents in (*taxes, *self.shipping.taxes):
            sums[title, points] = sums.get((title, points), 0) + cents
        return [(title, points, cents) for (title, points), cents in sums.items()]

    @property
    def tax(self) -> int:
        return sum(cents for _, _, cents in self.taxes)

    @property
    def total(self) -> int:
        return self.net + self.shipping.price + (0 if self.destination.taxes_included else self.tax)


def fill_basket(random: Random, ids: Iterator[int], number: int, destination: Destination) -> Basket:
    """One to four different items; every third order has a discount code."""
    items = random.sample(range(len(STYLES) * len(COLOURS) * len(SIZES)), random.choice((1, 2, 2, 3, 3, 4)))
    lines = [_line(random, next(ids), item) for item in items]
    discount = _discount(random, lines) if number % 3 == 0 else 0
    for line in lines:
        line.taxes = _taxes(line.net, destination)
    return Basket(
        destination, lines, _shipping_line(random, next(ids), destination, sum(line.net for line in lines)), discount
    )


def _line(random: Random, id_: int, item: int) -> Line:
    style, code, price = STYLES[item // (len(COLOURS) * len(SIZES))]
    colour, colour_code = COLOURS[item // len(SIZES) % len(COLOURS)]
    size = SIZES[item % len(SIZES)]
    sku, variant = f"{code}-{colour_code}-{size}", 4_400_000_000_000 + item
    return Line(id_, variant, style, f"{colour} / {size}", sku, random.choice((1, 1, 2, 3, 3, 5, 7)), price)


def _discount(random: Random, lines: list[Line]) -> int:
    """Allocates a discount by largest remainder; a line's share is rarely divisible by its quantity."""
    gross = [line.gross for line in lines]
    off = min(random.choice((500, 1000, sum(gross) * 15 // 100)), sum(gross) // 2)
    shares = [off * amount // sum(gross) for amount in gross]
    by_remainder = sorted(range(len(lines)), key=lambda i: (-(off * gross[i] % sum(gross)), i))
    for index in by_remainder[: off - sum(shares)]:
        shares[index] += 1
    for line, share in zip(lines, shares, strict=True):
        line.allocated = share
    return off


def _shipping_line(random: Random, id_: int, destination: Destination, net: int) -> ShippingLine:
    """The shipping line; it is taxed where prices include tax."""
    title, code, price = FREE_SHIPPING if net >= _FREE_FROM else random.choice(SHIPPING)
    return ShippingLine(
        id_, title, code, price, _taxes(price, destination) if destination.taxes_included and price else ()
    )


def _taxes(net: int, destination: Destination) -> tuple[Tax, ...]:
    """Each tax, rounded half up; extracted from the price where prices include tax."""
    base = 10_000 + (sum(points for _, points in destination.taxes) if destination.taxes_included else 0)
    return tuple((title, points, (2 * net * points + base) // (2 * base)) for title, points in destination.taxes)
