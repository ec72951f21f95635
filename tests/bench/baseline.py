"""The baseline script: one loop that makes the same vendor calls as the product, one after the other.

No ledger, lanes, journal, links or reviews: it reads a batch of webhook records, reads the orders back, writes each to
Heartland, sets the metafields and commits. A crash loses or duplicates orders.

`python -m tests.bench.baseline --options FILE` prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer

from shared.entities.order.shopify.documents import READ_ORDERS, SET_METAFIELDS

Json = dict[str, Any]
_SALES = {"SALE", "CAPTURE"}


class Vendors:
    """Both vendors' sandbox APIs, and the calls made to each."""

    def __init__(self, session: aiohttp.ClientSession, options: Json) -> None:
        self._session = session
        self._url = options["sandbox"]
        self._options = options
        self._shopify: dict[str, str] = {}
        self._heartland = {"Authorization": f"Bearer {options['api_token']}", "Content-Type": "application/json"}
        self.items: dict[str, int] = {}
        self.payment_types: dict[str, int] = {}
        self.calls: Counter[str] = Counter()

    async def login(self) -> None:
        body = {**self._options["app"], "grant_type": "client_credentials"}
        async with self._session.post(f"{self._url}/admin/oauth/access_token", json=body) as response:
            token = (await response.json())["access_token"]
        self._shopify = {"X-Shopify-Access-Token": token, "Content-Type": "application/json"}
        for row in (await self.heartland("GET", "payment_types"))["results"]:
            self.payment_types[row["name"]] = row["id"]

    async def graphql(self, text: str, variables: Json) -> Json:
        self.calls["shopify"] += 1
        body = orjson.dumps({"query": text, "variables": variables})
        url = f"{self._url}/admin/api/2026-10/graphql.json"
        async with self._session.post(url, data=body, headers=self._shopify) as response:
            answer = orjson.loads(await response.read())
        data: Json = answer["data"]
        return data

    async def heartland(self, method: str, path: str, body: Json | None = None, query: Any = None) -> Any:
        self.calls["heartland"] += 1
        data = None if body is None else orjson.dumps(body, default=_numeral)
        url = f"{self._url}/api/{path}"
        async with self._session.request(method, url, data=data, params=query, headers=self._heartland) as response:
            answer = await response.read()
            if response.status >= 400:
                raise RuntimeError(f"{method} {path}: {response.status} {answer!r}")
            if method == "POST":
                return int(response.headers["Location"].rpartition("/")[2])
            return orjson.loads(answer) if answer else None


def _numeral(value: Any) -> orjson.Fragment:
    return orjson.Fragment(str(value))


async def write(vendors: Vendors, node: Json) -> int:
    """Writes one order with the same calls as the writer makes for a new order of a new customer."""
    email = node["email"] or ""
    query = {"_filter": orjson.dumps({"email": email}).decode()}
    found = (await vendors.heartland("GET", "customers", query=query))["results"] if email else []
    address = _address(node["billingAddress"] or node["shippingAddress"] or {})
    person = {"first_name": address["first_name"], "last_name": address["last_name"], "email": email}
    customer = found[0]["id"] if found else await vendors.heartland("POST", "customers", person)
    address_id = await vendors.heartland("POST", f"customers/{customer}/addresses", address)
    await _resolve(vendors, {line["sku"] for line in node["lineItems"]["nodes"]})
    order = await vendors.heartland("POST", "sales/orders", _order(node, customer, address_id))
    for line in node["lineItems"]["nodes"]:
        await vendors.heartland("POST", f"sales/orders/{order}/lines", _line(vendors, node, line))
    await vendors.heartland("GET", f"sales/orders/{order}/taxes")
    for title, amount in _taxes(node).items():
        body = {"description": title, "value": amount}
        await vendors.heartland("POST", f"sales/orders/{order}/taxes", body)
    for paid in node["transactions"]:
        if paid["kind"] in _SALES and paid["status"] == "SUCCESS":
            await vendors.heartland("POST", f"sales/orders/{order}/payments", _payment(vendors, paid))
    await vendors.heartland("PUT", f"sales/orders/{order}", {"status": "open"})
    return int(order)


async def _resolve(vendors: Vendors, skus: set[str]) -> None:
    unknown = [sku for sku in skus if sku not in vendors.items]
    if unknown:
        query = {"_filter": orjson.dumps({"public_id": {"$in": unknown}}).decode(), "per_page": "80"}
        for row in (await vendors.heartland("GET", "items", query=query))["results"]:
            vendors.items[row["public_id"]] = row["id"]


def _order(node: Json, customer: int, address_id: int) -> Json:
    number = node["id"].rpartition("/")[2]
    return {
        "status": "pending",
        "public_id": f"S-{node['name'].lstrip('#')}",
        "customer_id": customer,
        "billing_address_id": address_id,
        "shipping_address_id": address_id,
        "source_location_id": 100001,
        "station_id": 100001,
        "shipping_charge": sum((_shipping(line) for line in node["shippingLines"]["nodes"]), Decimal(0)),
        "custom": {"shopify_order_id": number},
    }


def _shipping(line: Json) -> Decimal:
    off = sum((_amount(share["allocatedAmountSet"]) for share in line["discountAllocations"]), Decimal(0))
    return _amount(line["originalPriceSet"]) - off


def _line(vendors: Vendors, node: Json, line: Json) -> Json:
    price = _amount(line["originalUnitPriceSet"])
    off = sum((_amount(share["allocatedAmountSet"]) for share in line["discountAllocations"]), Decimal(0))
    return {
        "item_id": vendors.items[line["sku"]],
        "qty": line["quantity"],
        "original_unit_price": price,
        "adjusted_unit_price": ((price * line["quantity"] - off) / line["quantity"]).quantize(Decimal("0.01")),
        "ship_from_location_id": 100001,
        "total_tax": sum((_amount(tax["priceSet"]) for tax in line["taxLines"]), Decimal(0)),
        "custom": {"shopify_line_id": line["id"].rpartition("/")[2]},
    }


def _taxes(node: Json) -> dict[str, Decimal]:
    titles: dict[str, Decimal] = {}
    for line in [*node["lineItems"]["nodes"], *node["shippingLines"]["nodes"]]:
        for tax in line["taxLines"]:
            titles[tax["title"]] = titles.get(tax["title"], Decimal(0)) + _amount(tax["priceSet"])
    return titles


def _payment(vendors: Vendors, paid: Json) -> Json:
    kind = vendors.payment_types.get(f"Shopify {paid['gateway']}", 100001)
    return {
        "type": "CustomPayment",
        "payment_type_id": kind,
        "amount": _amount(paid["amountSet"]),
        "deposit": True,
        "custom": {"shopify_transaction_id": paid["id"].rpartition("/")[2]},
    }


def _address(source: Json) -> Json:
    return {
        "first_name": source.get("firstName") or "?",
        "last_name": source.get("lastName") or "?",
        "line_1": source.get("address1") or "",
        "line_2": source.get("address2") or "",
        "city": source.get("city") or "",
        "state": source.get("provinceCode") or "",
        "postal_code": source.get("zip") or "",
        "country": source.get("countryCodeV2") or "",
        "phone": source.get("phone") or "",
    }


def _amount(bag: Json) -> Decimal:
    return Decimal(bag["shopMoney"]["amount"])


def _metafields(node: Json, order: int) -> list[Json]:
    values = {"heartland_order_id": str(order), "heartland_order_number": f"S-{node['name'].lstrip('#')}"}
    return [
        {
            "ownerId": node["id"],
            "namespace": "tillbridge",
            "key": key,
            "type": "single_line_text_field",
            "value": value,
        }
        for key, value in values.items()
    ]


async def drain(options: Json) -> Json:
    done: set[str] = set()
    wanted = {str(number) for number in options["ids"]}
    orders = len(wanted)
    consumer = AIOKafkaConsumer(
        options["topic"],
        bootstrap_servers=options["bootstrap"],
        group_id="bench.baseline",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 * 1024 * 1024,
    )
    await consumer.start()
    async with aiohttp.ClientSession() as session:
        vendors = Vendors(session, options)
        await vendors.login()
        started, before = time.monotonic(), os.times()
        while len(done) < orders:
            batches = await consumer.getmany(timeout_ms=200, max_records=500)
            order_ids = {orjson.loads(record.value)["id"] for batch in batches.values() for record in batch}
            fresh = [str(number) for number in order_ids if str(number) in wanted and str(number) not in done]
            for start in range(0, len(fresh), 25):
                done |= await _batch(vendors, fresh[start : start + 25])
            await consumer.commit()
        seconds, after = time.monotonic() - started, os.times()
    await consumer.stop()
    cpu = (after.user + after.system) - (before.user + before.system)
    return {
        "orders": len(done),
        "orders_per_second": round(orders / seconds, 1),
        "cpu_ms_per_order": round(1000 * cpu / orders, 3),
        "calls": dict(vendors.calls),
    }


async def _batch(vendors: Vendors, numbers: list[str]) -> set[str]:
    ids = [f"gid://shopify/Order/{number}" for number in numbers]
    nodes = (await vendors.graphql(READ_ORDERS.text, {"ids": ids}))["nodes"]
    fields: list[Json] = []
    for node in nodes:
        fields += _metafields(node, await write(vendors, node))
    for start in range(0, len(fields), 24):
        await vendors.graphql(SET_METAFIELDS.text, {"metafields": fields[start : start + 24]})
    return set(numbers)


def main() -> None:
    parser = argparse.ArgumentParser(description="the baseline script")
    parser.add_argument("--options", type=Path, required=True)
    options = json.loads(parser.parse_args().options.read_text(encoding="utf-8"))
    print(json.dumps(asyncio.run(drain(options))))


if __name__ == "__main__":
    main()
