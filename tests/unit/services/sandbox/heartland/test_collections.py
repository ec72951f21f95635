"""Envelopes, paging, filters, projection: what every list has in common."""

from __future__ import annotations

import pytest

from tests.unit.services.sandbox.heartland.till import Till, open_till


async def test_a_list_comes_in_pages(till: Till) -> None:
    for number in range(5):
        await till.item(f"SKU-{number}")

    body = await till.get("items", ("per_page", "2"), ("page", "3"))

    assert (body["total"], body["pages"]) == (5, 3)
    assert [row["public_id"] for row in body["results"]] == ["SKU-4"]
    assert (await till.get("items", ("page", "9")))["results"] == []
    assert len(await till.ids("items", ("per_page", "all"))) == 5


async def test_a_list_has_twenty_records_unless_told_otherwise(till: Till) -> None:
    for number in range(21):
        await till.item(f"SKU-{number}")

    assert len(await till.ids("items")) == 20


async def test_an_empty_list_has_no_pages(till: Till) -> None:
    assert await till.get("items") == {"total": 0, "pages": 0, "results": []}


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ([("~[public_id]", "B")], ["B"]),
        ([("_filter", '{"price":{"$gt":15}}')], ["B", "C"]),
        ([("_filter[price][$gte]", "24.5"), ("_filter[active]", "true")], ["C"]),
        ([("_filter", '{"$or":[{"public_id":"A"},{"custom@color":"Navy"}]}')], ["A", "C"]),
        ([("_filter[public_id][$in][]", "A"), ("_filter[public_id][$in][]", "C")], ["A", "C"]),
        ([("_filter", '{"original_price":{"$neq":null}}')], []),
        ([("_filter", '{"updated_at":{"$gte":"2999-01-01"}}')], []),
        ([("sort[]", "price,desc")], ["C", "B", "A"]),
        ([("query", "b")], ["B"]),
        ([("_filter", '{"price":{"gt":9999}}')], ["A", "B", "C"]),
        ([("whatever", "1")], ["A", "B", "C"]),
    ],
)
async def test_a_list_can_be_filtered_and_sorted(till: Till, params: list[tuple[str, str]], found: list[str]) -> None:
    for sku, price, color in (("A", 10, "Red"), ("B", 20, "Red"), ("C", 30, "Navy")):
        await till.item(sku, price, custom={"color": color})

    assert [row["public_id"] for row in (await till.get("items", *params))["results"]] == found


@pytest.mark.parametrize(
    "path",
    [
        'items?_filter={"colour":1}', 'items?_filter={"custom":1}', 'items?_filter={"price":"cheap"}',
        'items?_filter={"updated_at":"2026-13-01"}', 'sales/tickets?_filter={"completed?":true}',
        'sales/tickets?_filter={"voided":true}', 'payments?_filter={"location_id":1}', "items?sort[]=colour",
        'items?_filter={"price":{"$in":[{}]}}', "inventory/values?group[]=colour",
    ],
)  # fmt: skip
async def test_an_unfilterable_field_is_an_invalid_request(till: Till, path: str) -> None:
    assert (await till.rejection("GET", path))["error"] == "invalid_request"


async def test_a_projection_keeps_only_what_was_asked_for(till: Till) -> None:
    await till.item()

    assert (await till.get("items?_only[]=id&_only[]=active"))["results"] == [{"id": 100001, "active?": True}]


async def test_related_records_can_be_included(till: Till) -> None:
    await till.order()

    order = (await till.get("sales/orders?_include[]=customer&_include[]=location"))["results"][0]

    assert order["customer"]["first_name"] == "Rae"
    assert order["location"]["name"] == "Online"


async def test_locations_carry_their_stations_when_asked(till: Till) -> None:
    online, main = (await till.get("locations?_include[]=stations"))["results"]

    assert [station["name"] for station in online["stations"]] == ["Web 1"]
    assert [station["name"] for station in main["stations"]] == ["Register 1", "Register 2"]


async def test_lists_lag_with_stale_reads(till: Till) -> None:
    item = await till.item()
    await till.sandbox.faults({"system": "heartland", "kind": "stale_reads", "seconds": 60, "times": 2})

    assert await till.ids("items") == []
    assert await till.ids("items?~[public_id]=TEE") == []
    assert await till.ids("items") == [item]


async def test_lists_may_lag_for_some_records_alone(till: Till) -> None:
    first, second = sorted([await till.item("TEE"), await till.item("CAP")], key=lambda item: item % 2)
    await till.sandbox.faults({"system": "heartland", "kind": "stale_reads", "seconds": 60, "every": 2})

    assert first % 2 == 0
    assert await till.ids("items") == [second]


async def test_head_answers_whether_a_record_exists(till: Till) -> None:
    item = await till.item()

    there, missing = await till.raw("HEAD", f"items/{item}"), await till.raw("HEAD", "items/1")

    assert (there.status, there.raw, missing.status) == (200, b"", 404)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "nowhere", 404), ("GET", "items/abc", 404), ("GET", "items/9", 404), ("PATCH", "items", 405),
     ("DELETE", "items/100001", 405), ("POST", "locations", 405), ("GET", f"items/{'9' * 30}", 404)],
)  # fmt: skip
async def test_a_missing_record_is_a_404_with_an_error_body(till: Till, method: str, path: str, status: int) -> None:
    body = await till.rejection(method, path, {}, status)

    assert set(body) == {"error", "message", "details"}


async def test_a_call_needs_the_token() -> None:
    async with open_till(sandbox_api_token="right") as till:
        answer = await till.sandbox.heartland("GET", "items", token="wrong")

        assert (answer.status, answer.body["error"]) == (401, "unauthorized")
        assert (await till.raw("GET", "items")).status == 200


@pytest.mark.parametrize(
    "body", [b"{", b"[1]", b"\xff", b'{"price": NaN}', b'"text"', b"[" * 100_000, b'{"a":' * 100_000]
)
async def test_a_body_that_is_no_object_is_an_invalid_request(till: Till, body: bytes) -> None:
    assert (await till.rejection("POST", "items", body))["error"] == "invalid_request"
