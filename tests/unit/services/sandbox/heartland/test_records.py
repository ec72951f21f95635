"""Items, customers, addresses, definitions, settings."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.unit.services.sandbox.heartland.till import ONLINE, Till


async def test_a_create_answers_with_nothing_but_an_absolute_location(till: Till) -> None:
    answer = await till.raw("POST", "items", {"description": "Tee", "cost": 8.5})

    assert (answer.status, answer.raw) == (201, b"")
    assert answer.location == f"{till.sandbox.url}/api/items/100001"


async def test_the_location_can_be_withheld(till: Till) -> None:
    await till.set_flags(post_location=False)

    assert (await till.raw("POST", "items", {"description": "Tee"})).location == ""


async def test_a_number_keeps_its_notation(till: Till) -> None:
    await till.raw("POST", "items", b'{"description":"Tee","price":21.60,"cost":0.12345678901234567890}')

    raw = (await till.raw("GET", "items/100001")).raw

    assert b'"price":21.60' in raw
    assert b'"cost":0.12345678901234567890' in raw


async def test_a_change_is_partial_and_answers_with_the_record(till: Till) -> None:
    item = await till.item(price=24)

    changed = await till.put(f"items/{item}", {"description": "New"})

    assert (changed["description"], changed["price"]) == ("New", 24)


async def test_a_change_can_answer_with_nothing(till: Till) -> None:
    item = await till.item()
    await till.set_flags(put_answers=False)

    assert (await till.raw("PUT", f"items/{item}", {"description": "New"})).raw == b""


async def test_a_public_id_is_assigned_if_missing(till: Till) -> None:
    item = await till.post("items", {"description": "Tee", "public_id": " "})

    assert (await till.get(f"items/{item}"))["public_id"] == str(item)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("items", {"public_id": "TEE"}, "description"),
        ("items", {"public_id": "TEE", "description": "again"}, "public_id"),
        ("items", {"description": "x", "price": "24"}, "price"),
        ("items", {"description": "x", "price": 24.001}, "price"),
        ("items", {"description": 7}, "description"),
        ("items", {"description": "x", "active": "yes"}, "active"),
        ("items", {"description": "x", "custom": [1]}, "custom"),
        ("items", {"description": "x", "custom": {"a": {}}}, "custom@a"),
        ("customers", {"first_name": "Rae"}, "last_name"),
        ("customers", {"first_name": "Rae", "last_name": "Q", "email": "nobody"}, "email"),
        ("customers/100001/addresses", {"first_name": "Rae"}, "last_name"),
        ("customers/100001/addresses", {"first_name": "Rae ", "last_name": "Q"}, "first_name"),
        ("customers/100001/addresses", {"first_name": "R", "last_name": "Q", "country": "Canada"}, "country"),
        ("stations", {"name": "Web 2", "location_id": 5}, "location_id"),
        ("payment_types", {}, "name"),
        ("custom_fields", {"group_id": "moon", "name": "A", "key": "a"}, "group_id"),
        ("custom_fields", {"group_id": "customer", "name": "A", "key": "shopify_customer_id"}, "key"),
        ("webhooks", {"url": "ftp://x", "events": ["item_created"]}, "url"),
        ("webhooks", {"url": "http://x", "events": ["order_created"]}, "events"),
    ],
)
async def test_a_record_that_cannot_be_saved_names_the_field(till: Till, path: str, body: object, field: str) -> None:
    await till.item()
    await till.customer()

    bad_request_answer = await till.rejection("POST", path, body)

    assert bad_request_answer["error"] == "validation_error"
    assert list(bad_request_answer["details"]) == [field]


async def test_validation_can_answer_422(till: Till) -> None:
    await till.set_flags(validation_status=422)

    await till.rejection("POST", "items", {}, 422)


async def test_two_customers_may_share_an_email(till: Till) -> None:
    first, second = await till.customer(email="r@example.test"), await till.customer(email="r@example.test")

    assert await till.ids("customers", ("~[email]", "r@example.test")) == [first, second]


async def test_a_customer_is_called_by_both_names_also_after_a_change(till: Till) -> None:
    customer = await till.customer()

    assert (await till.put(f"customers/{customer}", {"last_name": "Ash"}))["name"] == "Rae Ash"


async def test_an_address_belongs_to_its_customer(till: Till) -> None:
    mine, other = await till.customer(), await till.customer()
    address = await till.post(f"customers/{mine}/addresses", {"first_name": "R", "last_name": "Q"})

    assert (await till.put(f"customers/{mine}/addresses/{address}", {"city": "Oslo"}))["city"] == "Oslo"
    await till.rejection("GET", f"customers/{other}/addresses/{address}", status=404)
    assert await till.ids(f"customers/{other}/addresses") == []


async def test_custom_fields_are_merged_in_both_spellings(till: Till) -> None:
    item = await till.item(custom={"color": "Navy", "size": "M"})
    await till.put(f"items/{item}", {"custom@size": "L"})

    changed = await till.put(f"items/{item}", {"custom": {"brand": "Harbor", "color": None}})

    assert changed["custom"] == {"size": "L", "brand": "Harbor"}


async def test_a_nested_custom_object_can_replace_all(till: Till) -> None:
    item = await till.item(custom={"color": "Navy", "size": "M"})
    await till.set_flags(custom_replaces=True)

    assert (await till.put(f"items/{item}", {"custom@size": "L"}))["custom"] == {"color": "Navy", "size": "L"}
    assert (await till.put(f"items/{item}", {"custom": {"size": "S"}}))["custom"] == {"size": "S"}


async def test_a_required_custom_field_is_asked_for(till: Till) -> None:
    field = {"group_id": "customer", "name": "Tier", "key": "tier", "required": True}
    await till.post("custom_fields", field)

    bad_request_answer = await till.rejection("POST", "customers", {"first_name": "R", "last_name": "Q"})

    assert list(bad_request_answer["details"]) == ["custom@tier"]
    await till.customer(custom={"tier": "gold"})


async def test_a_unique_custom_field_is_kept_unique(till: Till) -> None:
    await till.post("custom_fields", {"group_id": "item", "name": "UPC", "key": "upc", "unique": True})
    item = await till.item("A", custom={"upc": "1"})

    await till.rejection("POST", "items", {"description": "B", "custom": {"upc": "1"}})
    await till.put(f"items/{item}", {"custom@upc": "1"})


async def test_settings_can_be_read_and_written(till: Till) -> None:
    path = "settings/pos.tickets.customer_required"

    assert (await till.get(path))["value"] is False
    assert (await till.put(path, {"value": True}))["value"] is True
    await till.rejection("GET", "settings/unheard.of", status=404)


async def test_the_initial_records_suffice_for_orders(till: Till) -> None:
    assert [row["name"] for row in (await till.get("payment_types"))["results"]] == ["Cash", "Credit Card"]
    assert [row["name"] for row in (await till.get("stations", ("location_id", str(ONLINE))))["results"]] == ["Web 1"]
    assert (await till.get("system/whoami"))["login"] == "integration"
    assert (await till.get("shipping_methods"))["total"] == 1


async def test_shopify_orders_can_create_items(till: Till) -> None:
    heartland = till.sandbox.world.heartland

    number = heartland.ensure_item("MUG", "Mug", "12.50")

    assert heartland.ensure_item("MUG", "Another", Decimal(1)) == number
    assert b'"price":12.50' in (await till.raw("GET", f"items/{number}")).raw
