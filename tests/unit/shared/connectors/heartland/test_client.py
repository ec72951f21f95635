from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from aiohttp import web

from tests.unit.shared.connectors.heartland.server import Respond, answering


def page(rows: Sequence[dict[str, Any]], pages: int = 1) -> web.Response:
    return web.json_response({"total": len(rows), "pages": pages, "results": list(rows)})


def asked_filter(query: dict[str, str]) -> Any:
    return orjson.loads(query.get("_filter", "{}"))


def store(rows: list[dict[str, Any]]) -> Respond:
    """Answers by id, as Heartland does: above the filter's bound, at most a page."""

    def respond(request: web.Request) -> web.Response:
        bound = asked_filter(dict(request.query)).get("id", {}).get("$gt", 0)
        found = sorted((row for row in rows if row["id"] > bound), key=lambda row: row["id"])
        return page(found[: int(request.query["per_page"])])

    return respond


async def test_money_is_written_as_the_numeral_it_is() -> None:
    async with answering(lambda request: web.Response(status=201)) as spoken:
        await spoken.client.add_order_payment(5, {"amount": Decimal("19.90"), "tiny": Decimal("1E-7"), "deposit": True})

    assert spoken.asked[0][3] == b'{"amount":19.90,"tiny":0.0000001,"deposit":true}'


@pytest.mark.parametrize("numeral", ["0.1", "1e2", "123456789012345678901234567890.01", '"72.95"', "7"])
async def test_money_is_read_to_the_last_digit(numeral: str) -> None:
    body = f'{{"id": 1, "shipping_charge": {numeral}}}'
    async with answering(lambda request: web.Response(text=body)) as spoken:
        order = await spoken.client.order(1)

    assert order.shipping_charge == Decimal(numeral.strip('"'))


async def test_names_are_read_in_every_spelling() -> None:
    rows = [{"id": 1, "publicId": "MAIN", "name": "Main", "stations": [{"id": 2, "active?": False, "name": "Till"}]}]
    async with answering(lambda request: page(rows)) as spoken:
        (location,) = await spoken.client.locations()

    assert (location.public_id, location.stations[0].active) == ("MAIN", False)
    assert spoken.asked[0][2]["_include[]"] == "stations"


async def test_a_walk_goes_by_the_last_id_so_that_no_insert_shifts_it() -> None:
    rows = [{"id": number} for number in (3, 5, 9)]

    def respond(request: web.Request) -> web.Response:
        answer = store(rows)(request)
        rows.append({"id": 1})
        return answer

    async with answering(respond) as spoken:
        seen = [row["id"] async for row in spoken.client.invoices({}, per_page=2)]

    assert seen == [3, 5, 9]
    assert [asked_filter(query).get("id") for _, _, query, _ in spoken.asked] == [None, {"$gt": 5}]


async def test_a_walk_ends_where_the_server_ignores_the_bound() -> None:
    async with answering(lambda request: page([{"id": 1}, {"id": 2}])) as spoken:
        seen = [row["id"] async for row in spoken.client.invoices({}, per_page=2)]

    assert seen == [1, 2]


async def test_sub_records_are_read_to_the_last_page() -> None:
    def respond(request: web.Request) -> web.Response:
        number = int(request.query["page"])
        return page([{"id": number, "value": 1.5, "description": "Tax"}], pages=2)

    async with answering(respond) as spoken:
        taxes = await spoken.client.order_taxes(7)

    assert [(tax.id, tax.value) for tax in taxes] == [(1, Decimal("1.5")), (2, Decimal("1.5"))]


async def test_many_skus_are_asked_for_in_few_calls() -> None:
    async with answering(lambda request: page([{"id": 1, "public_id": "A-0"}])) as spoken:
        found = await spoken.client.items_by_sku([f"A-{number}" for number in range(100)])

    assert set(found) == {"A-0"}
    assert [len(asked_filter(query)["public_id"]["$in"]) for _, _, query, _ in spoken.asked] == [80, 20]


async def test_customers_are_found_in_either_spelling_oldest_first_and_not_deleted_ones() -> None:
    rows = [
        {"id": 2, "email": "ADA@example.com"},
        {"id": 3, "email": "ada@example.com", "deleted_at": "2026-01-01T00:00:00Z"},
        {"id": 4, "email": "ada@example.org"},
    ]
    async with answering(store(rows)) as spoken:
        found = await spoken.client.customers_by_email("Ada@example.com")

    assert [one.id for one in found] == [2]
    assert asked_filter(spoken.asked[0][2])["email"] == {"$in": ["Ada@example.com", "ada@example.com"]}


async def test_orders_are_found_by_our_field_and_only_exactly() -> None:
    rows = [{"id": 1, "custom": {"shopify_order_id": "50"}}, {"id": 2, "custom": {"shopify_order_id": "5"}}]
    async with answering(lambda request: page(rows)) as spoken:
        found = await spoken.client.orders_by_custom("shopify_order_id", "5")

    assert [one.id for one in found] == [2]
    assert asked_filter(spoken.asked[0][2]) == {"custom@shopify_order_id": "5"}


async def test_changed_invoices_are_asked_for_by_time() -> None:
    async with answering(lambda request: page([])) as spoken:
        rows = [row async for row in spoken.client.invoices_changed_since(datetime(2026, 11, 1, tzinfo=UTC))]

    assert rows == []
    assert asked_filter(spoken.asked[0][2]) == {"updated_at": {"$gte": "2026-11-01T00:00:00+00:00"}}
