"""Completes a posted order, which may be old or incomplete, to a stored record.

Totals stay as posted. Ids, names and times that Shopify assigns are filled in; what it stores besides the order body
(transactions, fulfilment orders, metafields) is derived from the body.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.sandbox.shopify import payments, shipping, totals
from services.sandbox.shopify.gid import gid, numeric
from services.sandbox.shopify.money import Json
from services.sandbox.shopify.timestamps import moment, stamp


@dataclass
class IntakeContext:
    """What order intake needs from the shop."""

    ids: Iterator[int]
    numbers: Iterator[int]
    currency: str
    location_id: int


def accept(posted: Json, previous: Json | None, context: IntakeContext, now: datetime) -> Json:
    """Builds the order's record. Raises ValueError for an invalid order."""
    rest = dict(posted)
    explicit = _objects(rest.pop("transactions", None))
    placed = _objects(rest.pop("fulfillment_orders", None))
    metafields = _objects(rest.pop("metafields", None))
    _identify(rest, previous, context)
    _date(rest, previous, now)
    _complete_parts(rest, context)
    known = previous or {"payments": [], "fos": [], "metafields": [], "shipments": {}}
    _keep_fulfilments(rest, known)
    doc = {
        "rest": rest,
        "payments": payments.settle(rest, explicit, known["payments"], context.ids),
        "fos": known["fos"],
        "metafields": known["metafields"] or _metafields(metafields, context.ids, rest["updated_at"]),
        "shipments": known["shipments"],
    }
    if placed and not previous:
        shipping.place(doc, placed, context.ids, rest["updated_at"])
    location = numeric(rest.get("location_id")) or context.location_id
    shipping.update_fulfilment_orders(doc, location, context.ids, rest["updated_at"])
    return doc


def _objects(value: object) -> list[Json]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _identify(rest: Json, previous: Json | None, context: IntakeContext) -> None:
    rest["id"] = _id(rest.get("id"), context.ids)
    rest.setdefault("admin_graphql_api_id", gid("Order", rest["id"]))
    if rest.get("order_number") is None:
        named = str(rest.get("name") or "").lstrip("#")
        rest["order_number"] = int(named) if named.isdigit() else _number(previous, context)
    if not rest.get("name"):
        rest["name"] = f"#{rest['order_number']}"
    if not rest.get("currency"):
        rest["currency"] = _currency_of_sets(rest) or context.currency


def _number(previous: Json | None, context: IntakeContext) -> int:
    return int(previous["rest"]["order_number"]) if previous else next(context.numbers)


def _id(value: object, ids: Iterator[int]) -> int:
    if value in (None, ""):
        return next(ids)
    found = numeric(value)
    if found is None or found >= 2**63:
        raise ValueError(f"not an id: {value!r}")
    return found


def _currency_of_sets(rest: Json) -> str:
    holders = [rest, *_objects(rest.get("line_items"))]
    sets = (value for holder in holders for key, value in holder.items() if key.endswith("_set"))
    found = (s["shop_money"].get("currency_code") for s in sets if isinstance(s, dict) and s.get("shop_money"))
    return str(next(found, None) or "")


def _date(rest: Json, previous: Json | None, now: datetime) -> None:
    if not moment(str(rest.get("created_at") or "")):
        rest["created_at"] = previous["rest"]["created_at"] if previous else stamp(now)
    before = moment(previous["rest"]["updated_at"]) if previous else None
    posted = moment(str(rest.get("updated_at") or ""))
    if posted is None:
        rest["updated_at"] = stamp(now) if previous else rest["created_at"]
        posted = moment(rest["updated_at"])
    if before and posted and posted <= before:
        rest["updated_at"] = later(before, now)


def later(before: datetime, now: datetime) -> str:
    """A timestamp after `before`: now, or one second later if the clock's whole second is the same."""
    return stamp(max(now.replace(microsecond=0), before + timedelta(seconds=1)))


def _complete_parts(rest: Json, context: IntakeContext) -> None:
    for key, kind in (("line_items", "LineItem"), ("shipping_lines", "ShippingLine"), ("refunds", "Refund")):
        if key in rest:
            rest[key] = [_with_id(part, kind, context.ids) for part in _objects(rest[key])]
    for line in totals.lines(rest):
        line["quantity"] = totals.quantity(line)
        if isinstance(line.get("properties"), dict):
            line["properties"] = [{"name": k, "value": v} for k, v in line["properties"].items()]
    if "fulfillments" in rest:
        rest["fulfillments"] = [_with_id(part, "Fulfillment", context.ids) for part in _objects(rest["fulfillments"])]
    for refund in totals.refunds(rest):
        for row in (*_objects(refund.get("refund_line_items")), *_objects(refund.get("transactions"))):
            row["id"] = _id(row.get("id"), context.ids)
    if isinstance(rest.get("customer"), dict) and rest["customer"]:
        rest["customer"] = _with_id(rest["customer"], "Customer", context.ids)


def _with_id(part: Json, kind: str, ids: Iterator[int]) -> Json:
    identity = _id(part.get("id"), ids)
    return {**part, "id": identity, "admin_graphql_api_id": gid(kind, identity)}


def _keep_fulfilments(rest: Json, known: Json) -> None:
    """Keeps fulfilments created through the API when an older body without them is posted again."""
    if "rest" not in known:
        return
    posted = shipping.fulfilments(rest)
    there = {fulfilment["id"] for fulfilment in posted}
    rest["fulfillments"] = [*posted, *(f for f in shipping.fulfilments(known["rest"]) if f["id"] not in there)]
    if known["shipments"]:
        shipping.mark_lines(rest)


def _metafields(posted: list[Json], ids: Iterator[int], now: str) -> list[Json]:
    return [
        {
            "id": next(ids),
            "namespace": str(field.get("namespace") or ""),
            "key": str(field.get("key") or ""),
            "value": str(field.get("value") or ""),
            "type": str(field.get("type") or "single_line_text_field"),
            "created_at": now,
            "updated_at": now,
        }
        for field in posted
    ]
