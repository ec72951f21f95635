from __future__ import annotations

from decimal import Decimal

import pytest
from aiohttp import web

from shared.connectors.heartland.models import MaybeAmount, Model, read_one
from shared.limits.call_context import LIVE
from tests.unit.shared.connectors.heartland.server import answering, asked_filter, page, store


class Gadget(Model):
    id: int
    price: MaybeAmount = None


async def test_money_is_written_as_the_numeral_it_is() -> None:
    async with answering(lambda request: web.Response(status=201)) as spoken:
        body = {"amount": Decimal("19.90"), "tiny": Decimal("1E-7"), "deposit": True}
        await spoken.client.create("sales/orders/{}/payments", 5, body=body, context=LIVE)

    assert spoken.asked[0][3] == b'{"amount":19.90,"tiny":0.0000001,"deposit":true}'


@pytest.mark.parametrize("numeral", ["0.1", "1e2", "123456789012345678901234567890.01", '"72.95"', "7"])
async def test_money_is_read_to_the_last_digit(numeral: str) -> None:
    body = f'{{"id": 1, "price": {numeral}}}'
    async with answering(lambda request: web.Response(text=body)) as spoken:
        gadget = read_one(Gadget, await spoken.client.record("gadgets/{}", 1, context=LIVE))

    assert gadget.price == Decimal(numeral.strip('"'))


async def test_a_walk_goes_by_the_last_id_so_that_no_insert_shifts_it() -> None:
    rows = [{"id": number} for number in (3, 5, 9)]

    def respond(request: web.Request) -> web.Response:
        answer = store(rows)(request)
        rows.append({"id": 1})
        return answer

    async with answering(respond) as spoken:
        seen = [row["id"] async for row in spoken.client.walk("gadgets", per_page=2, context=LIVE)]

    assert seen == [3, 5, 9]
    assert [asked_filter(query).get("id") for _, _, query, _ in spoken.asked] == [None, {"$gt": 5}]


async def test_a_walk_ends_where_the_server_ignores_the_bound() -> None:
    async with answering(lambda request: page([{"id": 1}, {"id": 2}])) as spoken:
        seen = [row["id"] async for row in spoken.client.walk("gadgets", per_page=2, context=LIVE)]

    assert seen == [1, 2]


async def test_sub_records_are_read_to_the_last_page() -> None:
    def respond(request: web.Request) -> web.Response:
        number = int(request.query["page"])
        return page([{"id": number, "value": 1.5, "description": "Tax"}], pages=2)

    async with answering(respond) as spoken:
        taxes = await spoken.client.sub_records("sales/orders/{}/taxes", 7, context=LIVE)

    assert [(tax["id"], tax["value"]) for tax in taxes] == [(1, Decimal("1.5")), (2, Decimal("1.5"))]
