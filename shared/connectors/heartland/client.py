"""Heartland Retail's REST API in the vendor's words: what the other modules ask for, paging and filters hidden.

Every method raises TargetDown, Refused and NotFound; those that write also OutcomeUnknown (see `transport`). A POST
answers with an empty body: what it made is known by the Location header, and not even that is always there, so the
creating methods return the id or None.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import aiohttp
import orjson

from shared.canonical.priority import Priority
from shared.connectors.heartland.account import HeartlandAccount
from shared.connectors.heartland.models import (
    Address,
    Customer,
    Item,
    Location,
    Model,
    OrderLine,
    OrderTax,
    Payment,
    PaymentType,
    SalesOrder,
)
from shared.connectors.heartland.transport import Limits, Query, Transport
from shared.errors import RetryLater, TargetDown
from shared.limits.before_call import Before, Observe
from shared.limits.circuit_breaker import Breaker
from shared.limits.rate_limit import RequestBudget
from shared.runtime.clock import Clock

Json = Mapping[str, Any]
M = TypeVar("M", bound=Model)

# Long enough for one round trip per order, short enough for any proxy's limit on addresses.
_IDS_PER_QUERY = 80
_SUB_RECORDS_PER_PAGE = 500


class HeartlandClient:
    """One account. Calls share the budget and the breaker that are passed in."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        account: HeartlandAccount,
        *,
        budget: RequestBudget,
        breaker: Breaker,
        clock: Clock,
        observe: Observe,
        limits: Limits | None = None,
        throttled: Callable[[], object] = lambda: None,
    ) -> None:
        limits = limits or Limits()
        # How long a call may be under way once its turn has come.
        self.call_seconds = limits.total_seconds
        self._http = Transport(
            session,
            account,
            budget=budget,
            breaker=breaker,
            clock=clock,
            observe=observe,
            limits=limits,
            throttled=throttled,
        )
        self._views: dict[Priority, HeartlandClient] = {"live": self}

    def at(self, priority: Priority) -> HeartlandClient:
        """This client with its calls at this priority; always the same one for a priority."""
        if priority not in self._views:
            view = self._views[priority] = copy.copy(self)
            view._http = self._http.at(priority)
        return self._views[priority]

    def before(self, check: Before) -> HeartlandClient:
        """This client, its writes asking `check` just before they go out; what it raises keeps them from that."""
        view = copy.copy(self)
        view._http = self._http.before(check)
        view._views = {}
        return view

    # Set-up

    async def whoami(self) -> Json:
        """The profile of the token's user: proves address and token."""
        return _record((await self._http.send("GET", "system/whoami")).data)

    async def locations(self) -> list[Location]:
        """All locations that the token's user may see, each with its stations."""
        return [_model(Location, row) async for row in self._walk("locations", extra=[("_include[]", "stations")])]

    async def payment_types(self) -> list[PaymentType]:
        return [_model(PaymentType, row) async for row in self._walk("payment_types")]

    async def create_payment_type(self, name: str) -> int | None:
        return (await self._http.send("POST", "payment_types", body={"name": name})).id

    # Items

    async def items_by_sku(self, skus: Iterable[str]) -> dict[str, Item]:
        """The items with these numbers, many per call; what is not there is left out."""
        return {item.public_id: item for item in await self._items("public_id", list(skus))}

    async def items_by_id(self, ids: Iterable[int]) -> dict[int, Item]:
        return {item.id: item for item in await self._items("id", list(ids))}

    async def create_item(self, item: Json) -> int | None:
        return (await self._http.send("POST", "items", body=item)).id

    async def _items(self, field: str, values: Sequence[str | int]) -> list[Item]:
        found: list[Item] = []
        for start in range(0, len(values), _IDS_PER_QUERY):
            part = values[start : start + _IDS_PER_QUERY]
            condition = {field: part[0] if len(part) == 1 else {"$in": part}}
            query = [*_filter(condition), ("per_page", str(_IDS_PER_QUERY)), *_only("id", "public_id")]
            found += _models(Item, (await self._http.send("GET", "items", query=query)).data)
        return found

    # Customers

    async def customers_by_email(self, email: str) -> list[Customer]:
        """Those with this address in any spelling, oldest first; Heartland does not keep it unique."""
        spellings = sorted({email, email.lower()})
        condition = {"email": spellings[0] if len(spellings) == 1 else {"$in": spellings}}
        rows = [_model(Customer, row) async for row in self._walk("customers", condition)]
        return [one for one in rows if one.email.lower() == email.lower() and not one.deleted_at]

    async def customer_by_number(self, public_id: str) -> Customer | None:
        query = [*_filter({"public_id": public_id}), ("per_page", "2")]
        rows = _models(Customer, (await self._http.send("GET", "customers", query=query)).data)
        return next((row for row in rows if row.public_id == public_id), None)

    async def customer(self, customer_id: int) -> Customer:
        return _model(Customer, _record((await self._http.send("GET", "customers/{}", customer_id)).data))

    async def create_customer(self, customer: Json) -> int | None:
        return (await self._http.send("POST", "customers", body=customer)).id

    async def update_customer(self, customer_id: int, changes: Json) -> None:
        await self._http.send("PUT", "customers/{}", customer_id, body=changes)

    async def addresses(self, customer_id: int) -> list[Address]:
        return await self._all(Address, "customers/{}/addresses", customer_id)

    async def create_address(self, customer_id: int, address: Json) -> int | None:
        return (await self._http.send("POST", "customers/{}/addresses", customer_id, body=address)).id

    # Sales orders

    async def order(self, order_id: int) -> SalesOrder:
        return _model(SalesOrder, _record((await self._http.send("GET", "sales/orders/{}", order_id)).data))

    async def orders_by_id(self, ids: Iterable[int]) -> list[dict[str, Any]]:
        """The orders with these ids as lists show them, many per call; what is not there is left out."""
        found: list[dict[str, Any]] = []
        wanted = list(ids)
        for start in range(0, len(wanted), _IDS_PER_QUERY):
            condition = {"id": {"$in": wanted[start : start + _IDS_PER_QUERY]}}
            found += [row async for row in self._walk("sales/orders", condition)]
        return found

    def orders_changed_since(self, moment: datetime) -> AsyncIterator[dict[str, Any]]:
        """Orders with `updated_at` at or after `moment` (aware), by id. [inferred] An account may ignore the filter."""
        return self._walk("sales/orders", {"updated_at": {"$gte": moment.isoformat()}})

    async def invoices_of(self, order_ids: Iterable[int]) -> list[dict[str, Any]]:
        """The invoices of these orders, many orders per call."""
        found: list[dict[str, Any]] = []
        wanted = list(order_ids)
        for start in range(0, len(wanted), _IDS_PER_QUERY):
            condition = {"order_id": {"$in": wanted[start : start + _IDS_PER_QUERY]}}
            found += [row async for row in self.invoices(condition)]
        return found

    async def orders_by_custom(self, field: str, value: str) -> list[SalesOrder]:
        """The orders that hold exactly this in a custom field, oldest first."""
        rows = await self._orders({f"custom@{field}": value})
        return [row for row in rows if row.custom.get(field) == value]

    async def orders_by_number(self, public_id: str) -> list[SalesOrder]:
        return [row for row in await self._orders({"public_id": public_id}) if row.public_id == public_id]

    async def _orders(self, condition: Json) -> list[SalesOrder]:
        query = [*_filter(condition), ("sort[]", "id"), ("per_page", "20")]
        return _models(SalesOrder, (await self._http.send("GET", "sales/orders", query=query)).data)

    async def create_order(self, order: Json) -> int | None:
        return (await self._http.send("POST", "sales/orders", body=order)).id

    async def update_order(self, order_id: int, changes: Json) -> None:
        await self._http.send("PUT", "sales/orders/{}", order_id, body=changes)

    async def order_lines(self, order_id: int) -> list[OrderLine]:
        return await self._all(OrderLine, "sales/orders/{}/lines", order_id)

    async def add_order_line(self, order_id: int, line: Json) -> int | None:
        return (await self._http.send("POST", "sales/orders/{}/lines", order_id, body=line)).id

    async def update_order_line(self, order_id: int, line_id: int, changes: Json) -> None:
        await self._http.send("PUT", "sales/orders/{}/lines/{}", order_id, line_id, body=changes)

    async def delete_order_line(self, order_id: int, line_id: int) -> None:
        await self._http.send("DELETE", "sales/orders/{}/lines/{}", order_id, line_id)

    async def order_taxes(self, order_id: int) -> list[OrderTax]:
        return await self._all(OrderTax, "sales/orders/{}/taxes", order_id)

    async def add_order_tax(self, order_id: int, tax: Json) -> int | None:
        return (await self._http.send("POST", "sales/orders/{}/taxes", order_id, body=tax)).id

    async def order_payments(self, order_id: int) -> list[Payment]:
        return await self._all(Payment, "sales/orders/{}/payments", order_id)

    async def add_order_payment(self, order_id: int, payment: Json) -> int | None:
        return (await self._http.send("POST", "sales/orders/{}/payments", order_id, body=payment)).id

    # Invoices: handed on as they are read, since they travel unchanged on a raw topic

    def invoices(self, condition: Json, *, per_page: int = 200) -> AsyncIterator[dict[str, Any]]:
        """The invoices that meet the filter, by id."""
        return self._walk("sales/invoices", condition, per_page=per_page)

    def invoices_changed_since(self, moment: datetime, *, per_page: int = 200) -> AsyncIterator[dict[str, Any]]:
        """Invoices with `updated_at` at or after `moment` (aware), by id. Rows that change meanwhile shift no page."""
        return self.invoices({"updated_at": {"$gte": moment.isoformat()}}, per_page=per_page)

    async def invoice_lines(self, invoice_id: int) -> list[dict[str, Any]]:
        return await self._pages("sales/invoices/{}/lines", invoice_id)

    # Paging

    async def _walk(
        self, path: str, condition: Json | None = None, *, extra: Query = (), per_page: int = 200
    ) -> AsyncIterator[dict[str, Any]]:
        """Every matching record by rising id. Pages are cut by the last id, so that no insert or delete shifts them."""
        last = 0
        while True:
            bounds = {"id": {"$gt": last}} if last else {}
            query = [*_filter({**(condition or {}), **bounds}), ("sort[]", "id"), ("per_page", str(per_page)), *extra]
            rows = _rows((await self._http.send("GET", path, query=query)).data)
            for row in rows:
                if int(row["id"]) > last:
                    yield row
            highest = max((int(row["id"]) for row in rows), default=last)
            if len(rows) < per_page or highest <= last:
                return
            last = highest

    async def _all(self, model: type[M], path: str, *ids: int) -> list[M]:
        return [_model(model, row) for row in await self._pages(path, *ids)]

    async def _pages(self, path: str, *ids: int) -> list[dict[str, Any]]:
        """All sub-records of one record: few, so by page number, as these collections are only known to be read."""
        rows: list[dict[str, Any]] = []
        page, pages = 1, 1
        while page <= pages:
            query = [("per_page", str(_SUB_RECORDS_PER_PAGE)), ("page", str(page))]
            data = (await self._http.send("GET", path, *ids, query=query)).data
            rows += _rows(data)
            pages = int(data.get("pages") or 1) if isinstance(data, Mapping) else 1
            page += 1
        return rows


def _filter(condition: Json) -> list[tuple[str, str]]:
    return [("_filter", orjson.dumps(condition).decode())] if condition else []


def _only(*fields: str) -> list[tuple[str, str]]:
    return [("_only[]", field) for field in fields]


def _rows(data: Any) -> list[dict[str, Any]]:
    rows = data.get("results") if isinstance(data, Mapping) else data
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TargetDown("Heartland answered a list with something else")
    return rows


def _record(data: Any) -> Json:
    if not isinstance(data, dict):
        raise TargetDown("Heartland answered a record with something else")
    return data


def _model(model: type[M], row: Json) -> M:
    try:
        return model.read(row)
    except ValueError as error:
        # One odd record is no outage: the key that meets it is parked, the others go on.
        raise RetryLater(f"Heartland answered a {model.__name__} that cannot be read") from error


def _models(model: type[M], data: Any) -> list[M]:
    return [_model(model, row) for row in _rows(data)]
