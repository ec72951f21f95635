"""The control API of the simulated Heartland.

Ship orders, add items and stock, read state, set behaviour flags.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from services.sandbox.heartland.account import MAIN_STREET, Heartland
from services.sandbox.heartland.behaviour_flags import BehaviourFlags
from services.sandbox.heartland.decimal_json import dump, load
from services.sandbox.heartland.invoices import ship
from services.sandbox.heartland.rejection import Rejection, invalid, not_found
from services.sandbox.heartland.shipping import lines_to_ship, ships_from, sku_of
from services.sandbox.heartland.table import Row
from services.sandbox.heartland.views import shown

Handler = Callable[[web.Request], Awaitable[web.Response]]
TRACKING = ("tracking_number", "carrier", "tracking_url")


def routes(account: Heartland) -> list[web.RouteDef]:
    control, base = Control(account), "/_sandbox/heartland"
    return [
        web.post(base + "/orders/{order}/ship", guarded(control.ship)),
        web.get(base + "/orders/{order}", guarded(control.read_order)),
        web.post(base + "/items", guarded(control.add_item)),
        web.post(base + "/stock", guarded(control.receive)),
        web.post(base + "/custom_fields/{key}", guarded(control.require)),
        web.get(base + "/summary", guarded(control.summary)),
        web.get(base + "/behaviour_flags", guarded(control.read_flags)),
        web.post(base + "/behaviour_flags", guarded(control.set_flags)),
    ]


def guarded(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except Rejection as rejection:
            return answered({"error": rejection.message, "details": rejection.details}, rejection.status)
        except ValidationError as error:
            return answered({"error": str(error)}, 400)
        except (TypeError, AttributeError, InvalidOperation):
            return answered({"error": "the body has the wrong format"}, 400)

    return answer


def answered(body: object, status: int = 200) -> web.Response:
    return web.Response(body=dump(body), status=status, content_type="application/json")


class Control:
    def __init__(self, account: Heartland) -> None:
        self._account = account

    async def ship(self, request: web.Request) -> web.Response:
        """Ships the given lines, or all unshipped ones, as one completed invoice."""
        order, body = self._order(request), load(await request.read())
        custom = {name: body[name] for name in TRACKING if body.get(name)}
        wanted = lines_to_ship(self._account, order, body.get("lines"))
        invoice = ship(self._account, order, wanted, body.get("location_id") or ships_from(wanted), custom)
        lines = [
            {"line_id": line["id"], "item_id": line["item_id"], "sku": sku_of(self._account, line), "qty": qty}
            for line, qty in wanted
        ]
        status = self._account["orders"].rows[order["id"]]["status"]
        return answered({"invoice_id": invoice["id"], "status": status, "lines": lines}, 201)

    async def read_order(self, request: web.Request) -> web.Response:
        order, account = self._order(request), self._account
        parts = {"lines": "order_lines", "taxes": "order_taxes", "discounts": "order_discounts", "payments": "payments"}
        result: Row = {"order": order}
        for name, table in parts.items():
            result[name] = [shown(table, row) for row in account[table].children(order["id"])]
        result["lines"] = [row | {"sku": sku_of(account, row)} for row in result["lines"]]
        result["customer"] = self._linked("customers", order["customer_id"])
        result["billing_address"] = self._linked("addresses", order["billing_address_id"])
        result["shipping_address"] = self._linked("addresses", order["shipping_address_id"])
        invoices = account["invoices"].equal_to("order_id", order["id"])
        result["invoices"] = [self._invoice(number) for number in sorted(invoices)]
        return answered(result)

    async def add_item(self, request: web.Request) -> web.Response:
        body = load(await request.read())
        if not isinstance(body.get("public_id"), str) or not body["public_id"].strip():
            raise invalid("public_id", "is required")
        price = Decimal(str(body.get("price") or 0))
        number = self._account.ensure_item(body["public_id"], str(body.get("description") or ""), price)
        return answered({"id": number, "public_id": body["public_id"]}, 201)

    async def receive(self, request: web.Request) -> web.Response:
        """Adds stock: {"public_id", "location_id", "qty"}."""
        body = load(await request.read())
        item = self._account["items"].first("public_id", body.get("public_id"))
        location, qty = body.get("location_id", MAIN_STREET), body.get("qty", 0)
        if item is None or location not in self._account["locations"].rows:
            raise not_found()
        self._account.stock.move((item["id"], location), qty, 0, ("Receipt", 0))
        on_hand, committed = self._account.stock.at(item["id"], location)
        return answered({"qty_on_hand": on_hand, "qty_committed": committed})

    async def require(self, request: web.Request) -> web.Response:
        """Sets a custom field's `required` or `unique`, as a retailer may at any time."""
        fields, body = self._account["custom_fields"], load(await request.read())
        known = [fields.rows[number] for number in fields.equal_to("key", request.match_info["key"])]
        if not known:
            raise not_found()
        for row in known:
            fields.change(row["id"], {name: bool(body[name]) for name in ("required", "unique") if name in body})
        return answered(known)

    async def summary(self, _: web.Request) -> web.Response:
        account = self._account
        counts: dict[str, Any] = {name: len(table.rows) for name, table in account.tables.items()}
        orders = account["orders"]
        statuses = ("pending", "open", "closed", "canceled")
        counts["orders_by_status"] = {status: len(orders.equal_to("status", status)) for status in statuses}
        counts["movements"] = len(account.stock.movements)
        return answered(counts)

    async def read_flags(self, _: web.Request) -> web.Response:
        return answered(self._account.flags.model_dump())

    async def set_flags(self, request: web.Request) -> web.Response:
        """Changes the given behaviour flags; "tax_rate" (exact text) changes the account's tax rate."""
        body = load(await request.read())
        if "tax_rate" in body:
            self._account.tax_rate = Decimal(str(body.pop("tax_rate")))
        self._account.flags = BehaviourFlags.model_validate(self._account.flags.model_dump() | body)
        return await self.read_flags(request)

    def _order(self, request: web.Request) -> Row:
        """The order with this public_id or id. Raises Rejection if there is none."""
        name, orders = request.match_info["order"], self._account["orders"]
        row = orders.first("public_id", name)
        if row is None and name.isdigit():
            row = orders.rows.get(int(name))
        if row is None:
            raise not_found()
        return row

    def _linked(self, table: str, number: int | None) -> Row | None:
        row = self._account[table].rows.get(number or 0)
        return None if row is None else shown(table, row)

    def _invoice(self, number: int) -> Row:
        lines = self._account["invoice_lines"].children(number)
        return shown("invoices", self._account["invoices"].rows[number]) | {"lines": lines}
