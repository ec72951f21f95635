"""A Heartland account in memory, with the client's methods: counts calls, breaks any of them, and shows writes late."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from shared.connectors.heartland.errors import NotFound, Refused
from shared.connectors.heartland.models import (
    Address,
    Customer,
    Item,
    Location,
    OrderLine,
    OrderTax,
    Payment,
    PaymentType,
    SalesOrder,
    Station,
)  # fmt: skip
from tests.support.clock import FakeClock

Row = dict[str, Any]
START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


class Points:
    """Every await of the writer passes here; `strike(number, after)` may raise before or after the thing is done."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        # The priorities at which Heartland was called.
        self.priorities: set[str] = set()
        self.strike: Callable[[int, str, bool], None] = lambda number, name, after: None

    async def at(self, name: str, do: Callable[[], Any]) -> Any:
        self.passed.append(name)
        number = len(self.passed)
        self.strike(number, name, False)
        result = do()
        self.strike(number, name, True)
        return result


class At:
    """Points, each passed at a priority."""

    def __init__(self, points: Points, priority: str) -> None:
        self._points, self._priority = points, priority

    async def at(self, name: str, do: Callable[[], Any]) -> Any:
        self._points.priorities.add(self._priority)
        return await self._points.at(name, do)


@dataclass
class Table:
    rows: dict[int, tuple[datetime, Row]] = field(default_factory=dict)
    next_id: int = 100001


class FakeHeartland:
    def __init__(self, clock: FakeClock, points: Points, *, lag_seconds: float = 0.0, tax_rate: str = "0") -> None:
        self.clock = clock
        self.points = points
        self.lag = timedelta(seconds=lag_seconds)
        self.tax_rate = Decimal(tax_rate)
        self.names_what_it_makes = True
        self.call_seconds = 30.0
        # What a write waits for until its turn has come, and what it asks then.
        self.turn: Callable[[str], Awaitable[None]] | None = None
        self.check: Callable[[], Awaitable[None]] | None = None
        self.keeps_custom = True
        self.tables: dict[str, Table] = {}
        self.refuses: Callable[[str, Mapping[str, Any]], Refused | None] = lambda name, body: None
        self.made_locations = [Location(id=9, name="Online", stations=(Station(id=14, name="Web"),))]

    def at(self, priority: str) -> FakeHeartland:
        view = copy.copy(self)
        view.points = At(self.points, priority)  # type: ignore[assignment]
        return view

    def before(self, check: Callable[[], Awaitable[None]]) -> FakeHeartland:
        view = copy.copy(self)
        view.check = check
        return view

    def waiting(self, turn: Callable[[str], Awaitable[None]]) -> FakeHeartland:
        """The same account, its writes waiting for their turn."""
        view = copy.copy(self)
        view.turn = turn
        return view

    async def _write(self, call: str, do: Callable[[], Any]) -> Any:
        if self.turn is not None:
            await self.turn(call)
        if self.check is not None:
            await self.check()
        return await self.points.at(call, do)

    # The world behind it

    def table(self, name: str) -> Table:
        return self.tables.setdefault(name, Table())

    def all(self, name: str, **where: object) -> list[Row]:
        """What is really there, however late reads are."""
        rows = (row for _, row in self.table(name).rows.values())
        return [row for row in rows if all(row.get(key) == value for key, value in where.items())]

    def put_item(self, *skus: str) -> None:
        for sku in skus:
            self.insert("items", {"public_id": sku}, seen_at=START - timedelta(days=1))

    def insert(self, name: str, row: Mapping[str, Any], *, seen_at: datetime | None = None) -> int:
        table = self.table(name)
        number, table.next_id = table.next_id, table.next_id + 1
        stored = {**row, "id": number}
        if not self.keeps_custom and name != "orders":
            stored.pop("custom", None)
        seen = seen_at or self.clock.now()
        table.rows[number] = (seen, stored)
        return number

    def seen(self, name: str, **where: object) -> list[Row]:
        limit = self.clock.now() - self.lag
        rows = [row for at, row in self.table(name).rows.values() if at <= limit]
        return [dict(row) for row in rows if all(row.get(key) == value for key, value in where.items())]

    def total(self, order_id: int) -> Decimal:
        order = self.all("orders", id=order_id)[0]
        goods = sum(
            (line["qty"] * line["adjusted_unit_price"] for line in self.all("lines", order=order_id)), Decimal(0)
        )
        taxes = sum((tax["value"] for tax in self.all("taxes", order=order_id)), Decimal(0))
        return goods + taxes + order.get("shipping_charge", Decimal(0))

    def _goods(self, order_id: int) -> Decimal:
        lines = self.all("lines", order=order_id)
        return sum((line["qty"] * line["adjusted_unit_price"] for line in lines), Decimal(0))

    # Plumbing

    async def _create(
        self, call: str, table: str, body: Mapping[str, Any], then: Callable[[], None] | None = None
    ) -> Any:
        def do() -> int | None:
            refusal = self.refuses(call, body)
            if refusal is not None:
                raise refusal
            number = self.insert(table, body)
            if then:
                then()
            return number if self.names_what_it_makes else None

        return await self._write(call, do)

    async def _change(self, call: str, table: str, number: int, changes: Mapping[str, Any]) -> None:
        def do() -> None:
            refusal = self.refuses(call, changes)
            if refusal is not None:
                raise refusal
            row = self.table(table).rows[number][1]
            flat = {key.removeprefix("custom@"): value for key, value in changes.items() if key.startswith("custom@")}
            row.update({key: value for key, value in changes.items() if not key.startswith("custom@")})
            if flat:
                row["custom"] = {**row.get("custom", {}), **flat}

        await self._write(call, do)

    async def _list(self, call: str, model: Any, table: str, **where: object) -> Any:
        return await self.points.at(call, lambda: [model.read(row) for row in self.seen(table, **where)])

    async def _one(self, call: str, model: Any, table: str, number: int) -> Any:
        def do() -> Any:
            rows = self.seen(table, id=number)
            if not rows:
                raise NotFound("no such record", code="not_found", status=404)
            return model.read(rows[0])

        return await self.points.at(call, do)

    # The client's methods

    async def locations(self) -> list[Location]:
        return await self.points.at("GET locations", lambda: self.made_locations)

    async def payment_types(self) -> list[PaymentType]:
        return await self._list("GET payment_types", PaymentType, "payment_types")

    async def create_payment_type(self, name: str) -> int | None:
        return await self._create("POST payment_types", "payment_types", {"name": name})

    async def items_by_sku(self, skus: Iterable[str]) -> dict[str, Item]:
        wanted = set(skus)
        rows = await self._list("GET items", Item, "items")
        return {row.public_id: row for row in rows if row.public_id in wanted}

    async def create_item(self, item: Mapping[str, Any]) -> int | None:
        return await self._create("POST items", "items", item)

    async def customers_by_email(self, email: str) -> list[Customer]:
        rows = await self._list("GET customers", Customer, "customers")
        return [row for row in rows if row.email.lower() == email.lower()]

    async def customer_by_number(self, public_id: str) -> Customer | None:
        rows = await self._list("GET customers", Customer, "customers", public_id=public_id)
        return rows[0] if rows else None

    async def customer(self, customer_id: int) -> Customer:
        return await self._one("GET customers/{}", Customer, "customers", customer_id)

    async def create_customer(self, customer: Mapping[str, Any]) -> int | None:
        return await self._create("POST customers", "customers", customer)

    async def update_customer(self, customer_id: int, changes: Mapping[str, Any]) -> None:
        await self._change("PUT customers", "customers", customer_id, changes)

    async def addresses(self, customer_id: int) -> list[Address]:
        if not self.all("customers", id=customer_id):
            await self._one("GET addresses", Customer, "customers", customer_id)
        return await self._list("GET addresses", Address, "addresses", customer=customer_id)

    async def create_address(self, customer_id: int, address: Mapping[str, Any]) -> int | None:
        return await self._create("POST addresses", "addresses", {**address, "customer": customer_id})

    async def order(self, order_id: int) -> SalesOrder:
        return await self._one("GET orders/{}", SalesOrder, "orders", order_id)

    async def orders_by_custom(self, name: str, value: str) -> list[SalesOrder]:
        rows = await self._list("GET orders", SalesOrder, "orders")
        return [row for row in rows if row.custom.get(name) == value]

    async def orders_by_number(self, public_id: str) -> list[SalesOrder]:
        return await self._list("GET orders", SalesOrder, "orders", public_id=public_id)

    async def create_order(self, order: Mapping[str, Any]) -> int | None:
        return await self._create("POST orders", "orders", order)

    async def update_order(self, order_id: int, changes: Mapping[str, Any]) -> None:
        await self._change("PUT orders", "orders", order_id, changes)

    async def order_lines(self, order_id: int) -> list[OrderLine]:
        return await self._list("GET lines", OrderLine, "lines", order=order_id)

    async def add_order_line(self, order_id: int, line: Mapping[str, Any]) -> int | None:
        return await self._create("POST lines", "lines", {**line, "order": order_id}, lambda: self._tax(order_id))

    async def update_order_line(self, order_id: int, line_id: int, changes: Mapping[str, Any]) -> None:
        await self._change("PUT lines", "lines", line_id, changes)
        self._tax(order_id)

    async def delete_order_line(self, order_id: int, line_id: int) -> None:
        await self._write("DELETE lines", lambda: self.table("lines").rows.pop(line_id))
        self._tax(order_id)

    async def order_taxes(self, order_id: int) -> list[OrderTax]:
        return await self._list("GET taxes", OrderTax, "taxes", order=order_id)

    async def add_order_tax(self, order_id: int, tax: Mapping[str, Any]) -> int | None:
        return await self._create("POST taxes", "taxes", {**tax, "order": order_id})

    async def order_payments(self, order_id: int) -> list[Payment]:
        return await self._list("GET payments", Payment, "payments", order=order_id)

    async def add_order_payment(self, order_id: int, payment: Mapping[str, Any]) -> int | None:
        return await self._create("POST payments", "payments", {**payment, "order": order_id})

    async def invoices(self, condition: Mapping[str, Any], *, per_page: int = 200) -> AsyncIterator[Row]:
        for row in await self.points.at("GET invoices", lambda: self.seen("invoices", **condition)):
            yield row

    def _tax(self, order_id: int) -> None:
        """Heartland's own idea of the tax, on one line that follows the order's lines."""
        if not self.tax_rate:
            return
        goods = sum(
            (line["qty"] * line["adjusted_unit_price"] for line in self.all("lines", order=order_id)), Decimal(0)
        )
        value = (goods * self.tax_rate).quantize(Decimal("0.01"))
        own = self.all("taxes", order=order_id, description="Sales tax")
        if own:
            own[0]["value"] = value
        else:
            self.insert("taxes", {"order": order_id, "description": "Sales tax", "value": value})
