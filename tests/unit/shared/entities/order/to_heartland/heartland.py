"""A Heartland account in memory, as a transport: counts calls, breaks any of them, and shows writes late."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from shared.connectors.heartland.errors import NotFound, Refused
from shared.connectors.heartland.transport import Answer, Query
from shared.entities.order.heartland.locations import Location, Station
from shared.limits.call_context import CallContext
from tests.support.clock import FakeClock
from tests.support.memory_state import Points

Row = dict[str, Any]
# Which field of a sub-record holds the id of its record.
PARENTS = {"lines": "order", "taxes": "order", "payments": "order", "addresses": "customer"}
START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


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
        # What a write waits for until its turn has come.
        self.turn: Callable[[str], Awaitable[None]] | None = None
        self.keeps_custom = True
        self.tables: dict[str, Table] = {}
        self.refuses: Callable[[str, Mapping[str, Any]], Refused | None] = lambda name, body: None
        self.made_locations = [Location(id=9, name="Online", stations=(Station(id=14, name="Web"),))]

    def waiting(self, turn: Callable[[str], Awaitable[None]]) -> FakeHeartland:
        """The same account, its writes waiting for their turn."""
        view = copy.copy(self)
        view.turn = turn
        return view

    # The transport's method

    async def send(
        self,
        method: str,
        path: str,
        *ids: int,
        query: Query = (),
        body: Mapping[str, Any] | None = None,
        context: CallContext,
    ) -> Answer:
        self.points.priorities.add(context.priority)
        call = f"{method} {self._named(method, path)}"
        table, parent = self._place(path, ids)
        if method == "GET":
            return await self.points.at(call, lambda: self._read(path, table, parent, ids, _asked(query)))
        if self.turn is not None:
            await self.turn(call)
        if context.pre_send_check is not None:
            await context.pre_send_check()
        made = await self.points.at(call, lambda: self._write(method, call, table, parent, ids, body or {}))
        return Answer({"id": made} if made and self.names_what_it_makes else None)

    def _named(self, method: str, path: str) -> str:
        """`sales/orders/{}/lines/{}` is `lines`; a single record that is read is `orders/{}`."""
        parts = path.removeprefix("sales/").split("/")
        return "/".join(parts) if method == "GET" and parts[-1] == "{}" else _table(path)

    def _place(self, path: str, ids: tuple[int, ...]) -> tuple[str, Row]:
        table = _table(path)
        parent = {PARENTS[table]: ids[0]} if table in PARENTS else {}
        return table, parent

    def _read(self, path: str, table: str, parent: Row, ids: tuple[int, ...], condition: Row) -> Answer:
        if path.endswith("{}"):
            rows = self.seen(table, id=ids[-1])
            if not rows:
                raise NotFound("no such record", code="not_found", status=404)
            return Answer(rows[0])
        if table == "addresses" and not self.all("customers", id=ids[0]):
            raise NotFound("no such record", code="not_found", status=404)
        if table == "locations":
            return Answer([location.model_dump() for location in self.made_locations])
        return Answer([row for row in self.seen(table, **parent) if _matches(row, condition)])

    def _write(
        self, method: str, call: str, table: str, parent: Row, ids: tuple[int, ...], body: Mapping[str, Any]
    ) -> int | None:
        refusal = self.refuses(call, body)
        if refusal is not None:
            raise refusal
        made = None
        if method == "POST":
            made = self.insert(table, {**body, **parent})
        elif method == "PUT":
            self._change(table, ids[-1], body)
        else:
            self.table(table).rows.pop(ids[-1])
        if table == "lines":
            self._tax(ids[0])
        return made

    def _change(self, table: str, number: int, changes: Mapping[str, Any]) -> None:
        row = self.table(table).rows[number][1]
        flat = {key.removeprefix("custom@"): value for key, value in changes.items() if key.startswith("custom@")}
        row.update({key: value for key, value in changes.items() if not key.startswith("custom@")})
        if flat:
            row["custom"] = {**row.get("custom", {}), **flat}

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


def _table(path: str) -> str:
    return [part for part in path.split("/") if part != "{}"][-1]


def _asked(query: Query) -> Row:
    """The filter of a request."""
    return next((orjson.loads(value) for name, value in query if name == "_filter"), {})


def _matches(row: Row, condition: Row) -> bool:
    return all(_fits(_field(row, name), wanted) for name, wanted in condition.items())


def _field(row: Row, name: str) -> Any:
    """A field, also a custom one; e-mail addresses are found in any spelling."""
    if name == "email":
        return str(row.get("email")).lower()
    return row.get("custom", {}).get(name.removeprefix("custom@")) if name.startswith("custom@") else row.get(name)


def _fits(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        ((operator, bound),) = wanted.items()
        return value in bound if operator == "$in" else value is not None and value > bound
    return bool(value == wanted)
