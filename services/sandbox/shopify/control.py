"""The control API of the simulated shop: place and change orders, read state, set options."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import Any, Final

import orjson
from aiohttp import web
from pydantic import ValidationError

from services.sandbox.shopify import admin
from services.sandbox.shopify.endpoint import answer
from services.sandbox.shopify.gid import gid, numeric
from services.sandbox.shopify.money import Json, number
from services.sandbox.shopify.placing import place
from services.sandbox.shopify.shapes import words
from services.sandbox.shopify.shop import Shop

FALSE_WORDS: Final = ("false", "0", "no")
# Fields that a change of an order may set at the same time.
NOTE_FIELDS: Final = ("note", "note_attributes")


class Control:
    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    async def post_order(self, request: web.Request) -> web.Response:
        """Stores the order in the body, creates the items it refers to, and sends its webhooks."""
        body = await _object(request)
        if body is None:
            return bad_request_answer("the body must be an order as JSON")
        posted = body["order"] if isinstance(body.get("order"), dict) else body
        wants_items = _flag(request, body, "items") and _flag(request, posted, "items")
        is_silent = not _flag(request, body, "webhook")
        posted = {name: value for name, value in posted.items() if name not in ("items", "webhook")}
        try:
            placed = place(self._shop, posted, makes_items=wants_items, sends_webhooks=not is_silent)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return bad_request_answer(f"not an order: {error}")
        return answer({**_identity(placed.doc), "webhook": {"topics": list(placed.topics), "ids": placed.webhook_ids}})

    async def get_order(self, request: web.Request) -> web.Response:
        """The stored order: body, transactions, fulfilment orders, fulfilments, metafields, tags."""
        return self._with_order(request, lambda doc: {**_identity(doc), **_state(doc)})

    async def cancel(self, request: web.Request) -> web.Response:
        body = await _object(request) or {}

        def work(doc: Json) -> Json:
            admin.cancel(self._shop, doc, str(body.get("reason") or "other"), refund=bool(body.get("refund")))
            return _state(doc)

        return self._with_order(request, work, body)

    async def edit(self, request: web.Request) -> web.Response:
        body = await _object(request) or {}
        return self._with_order(request, lambda doc: admin.edit(self._shop, doc, body), body)

    async def pay(self, request: web.Request) -> web.Response:
        body = await _object(request) or {}

        def work(doc: Json) -> Json:
            paid = admin.pay(self._shop, doc, number(body.get("amount")), str(body.get("gateway") or "manual"))
            return {"transaction": paid, "financial_status": doc["rest"]["financial_status"]}

        return self._with_order(request, work, body)

    def _with_order(
        self, request: web.Request, work: Callable[[Json], Json], remarks: Json | None = None
    ) -> web.Response:
        """Runs `work` on the order; answers with its result and the sent webhook ids.

        `remarks`: its new notes.
        """
        wanted = numeric(request.match_info["id"])
        doc = self._shop.orders.get(wanted) if wanted else None
        if doc is None:
            return answer({"error": "no such order"}, 404)
        before = {name: doc["rest"].get(name) for name in NOTE_FIELDS}
        doc["rest"].update({name: value for name, value in (remarks or {}).items() if name in NOTE_FIELDS})
        latest = self._shop.webhooks.log[-1] if self._shop.webhooks.log else None
        try:
            done = work(doc)
        except admin.InvalidChange as error:
            doc["rest"].update(before)
            return answer({"error": str(error)}, 409)
        since = takewhile(lambda row: row is not latest, reversed(self._shop.webhooks.log))
        return answer({**done, "webhook": {"ids": [row.webhook_id for row in since][::-1]}})

    async def list_orders(self, request: web.Request) -> web.Response:
        """Ids, names and times of all orders, oldest first; skips the first `after`."""
        after, limit = (int(request.query.get(name, default)) for name, default in (("after", "0"), ("limit", "1000")))
        entries = list(self._shop.orders.entries())
        rows = [{"id": e.id, "name": e.name, "updated": e.updated} for e in entries[after : after + limit]]
        return answer({"orders": rows, "total": len(entries)})

    async def deliveries(self, request: web.Request) -> web.Response:
        """The most recent webhook deliveries with their outcome, oldest first."""
        topic = request.query.get("topic")
        rows = [row.report() for row in self._shop.webhooks.log if topic in (None, row.topic)]
        return answer({"deliveries": rows})

    async def subscriptions(self, _: web.Request) -> web.Response:
        """Subscriptions created through the API: id, topic and address."""
        rows = self._shop.subscriptions.rows.values()
        return answer({"subscriptions": [{"id": row.id, "topic": row.topic, "uri": row.uri} for row in rows]})

    async def drop_subscriptions(self, request: web.Request) -> web.Response:
        """Removes subscriptions, as after failed deliveries: all, or those of one `topic` (ORDERS_CREATE)."""
        topic = request.query.get("topic")
        gone = [row.id for row in self._shop.subscriptions.rows.values() if topic in (None, row.topic)]
        for one in gone:
            self._shop.subscriptions.remove(one)
        return answer({"dropped": len(gone)})

    async def webhook_url(self, request: web.Request) -> web.Response:
        """Sets the base URL to which the app's own webhooks are sent."""
        body = await _object(request) or {}
        self._shop.webhooks.base_url = str(body.get("url") or "")
        return answer({"url": self._shop.webhooks.base_url})

    async def add_location(self, request: web.Request) -> web.Response:
        body = await _object(request)
        if body is None:
            return bad_request_answer("the body is a location as JSON")
        row = {"name": "Location", **body, "id": numeric(body.get("id")) or next(self._shop.ids)}
        self._shop.locations.add(row)
        return answer({"id": row["id"], "gid": gid("Location", row["id"])})

    async def switch(self, request: web.Request) -> web.Response:
        """Changes options, e.g. `{"unknown_enums": true}`, until the next reset."""
        try:
            self._shop.options.switch(await _object(request) or {})
        except ValidationError as error:
            return bad_request_answer(str(error))
        self._shop.fill_bucket()
        return answer(self._shop.options.model_dump(exclude={"client_secret", "access_token"}))

    async def revoke(self, _: web.Request) -> web.Response:
        """Revokes all access tokens."""
        self._shop.tokens.revoke_all()
        return answer({"revoked": True})

    async def hold(self, request: web.Request) -> web.Response:
        """Puts the order's open fulfilment orders on hold, or releases them with `{"reason": null}`."""
        body = await _object(request) or {}

        def work(doc: Json) -> Json:
            for order in doc["fos"]:
                order["held"] = body.get("reason", "OTHER")
            self._shop.update_fulfilment_orders(doc)
            self._shop.touch(doc)
            self._shop.announce(doc, ("orders/updated",))
            return _state(doc)

        return self._with_order(request, work)


def _identity(doc: Json) -> Json:
    rest = doc["rest"]
    return {"id": rest["id"], "name": rest["name"], "gid": gid("Order", rest["id"])}


def _state(doc: Json) -> Json:
    rest = doc["rest"]
    notified = doc.get("notified", {})
    shipped = [{**row, "notify_customer": notified.get(str(row["id"]))} for row in rest.get("fulfillments") or []]
    return {
        "order": rest,
        "transactions": doc["payments"],
        "fulfillment_orders": doc["fos"],
        "fulfillments": shipped,
        "metafields": doc["metafields"],
        "tags": words(rest.get("tags")),
    }


def _flag(request: web.Request, body: Json, name: str) -> bool:
    """A flag in the query or body; true by default."""
    said = str(request.query.get(name, body.get(name, True))).lower()
    return said not in FALSE_WORDS


async def _object(request: web.Request) -> Json | None:
    try:
        body: Any = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, dict) else None


def bad_request_answer(message: str) -> web.Response:
    return answer({"error": message}, 400)
