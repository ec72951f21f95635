"""An order's life: pending, open, closed or canceled, and what it adds up to."""

from __future__ import annotations

import pytest

from tests.unit.services.sandbox.heartland.till import MAIN_STREET, ONLINE, Till, open_till


async def test_ids_of_orders_and_customers_overlap(till: Till) -> None:
    assert await till.order() == await till.customer() - 1 == 100001


async def test_totals_are_exact(till: Till) -> None:
    order = await till.order(shipping_charge=6.95)
    await till.line(order, await till.item(), qty=3, price=0.1)
    await till.post(f"sales/orders/{order}/taxes", {"description": "State", "value": 1.51})
    await till.post(f"sales/orders/{order}/discounts", {"description": "Promo", "amount": -0.25})
    await till.post(f"sales/orders/{order}/payments", payment(8))

    raw = (await till.raw("GET", f"sales/orders/{order}")).raw

    for part in (b'"total":8.51', b'"total_tax":1.51', b'"total_paid":8', b'"balance":0.51'):
        assert part in raw


def payment(amount: object, **more: object) -> dict[str, object]:
    return {"type": "CustomPayment", "payment_type_id": 100002, "amount": amount, "deposit": True, **more}


async def test_an_order_opens_and_commits_stock(till: Till) -> None:
    await till.open_order(qty=2)

    value = (await till.get("inventory/values?group[]=item_id&group[]=location_id"))["results"][0]

    assert (value["location_id"], value["qty_committed"], value["qty_available"]) == (MAIN_STREET, 2, -2)


async def test_an_order_does_not_open_while_a_required_custom_field_is_missing(till: Till) -> None:
    await till.post("custom_fields", {"group_id": "sales.transaction", "name": "E", "key": "e", "required": True})
    order = await till.order()

    bad_request_answer = await till.rejection("PUT", f"sales/orders/{order}", {"status": "open"})

    assert list(bad_request_answer["details"]) == ["custom@e"]
    assert (await till.put(f"sales/orders/{order}", {"status": "open", "custom@e": "1"}))["status"] == "open"


async def test_an_order_without_a_customer_does_not_open(till: Till) -> None:
    order = await till.order(customer_id=None)

    assert list((await till.rejection("PUT", f"sales/orders/{order}", {"status": "open"}))["details"]) == [
        "customer_id"
    ]


@pytest.mark.parametrize("status", ["closed", "complete", "pending", "shipped", 7])
async def test_an_open_order_does_not_take_other_states(till: Till, status: object) -> None:
    order = await till.open_order()

    await till.rejection("PUT", f"sales/orders/{order}", {"status": status})


async def test_a_new_order_is_pending(till: Till) -> None:
    body = {"source_location_id": ONLINE, "station_id": 100001, "status": "open"}

    await till.rejection("POST", "sales/orders", body)


async def test_a_station_belongs_to_its_location(till: Till) -> None:
    bad_request_answer = await till.rejection(
        "POST", "sales/orders", {"source_location_id": MAIN_STREET, "station_id": 100001}
    )

    assert list(bad_request_answer["details"]) == ["station_id"]


async def test_cancelling_releases_committed_stock(till: Till) -> None:
    order = await till.open_order()

    assert (await till.put(f"sales/orders/{order}", {"status": "canceled"}))["status"] == "canceled"

    assert (await till.get("inventory/values?group[]=item_id"))["results"][0]["qty_committed"] == 0
    await till.rejection("POST", f"sales/orders/{order}/taxes", {"value": 1})
    await till.rejection("PUT", f"sales/orders/{order}", {"status": "open"})


async def test_cancelling_can_be_disabled(till: Till) -> None:
    order = await till.open_order()
    await till.set_flags(can_cancel_orders=False)

    await till.rejection("PUT", f"sales/orders/{order}", {"status": "canceled"})


async def test_order_numbers_are_unique_unless_disabled(till: Till) -> None:
    await till.order(public_id="S-1")
    body = {"source_location_id": ONLINE, "station_id": 100001, "public_id": "S-1"}

    assert list((await till.rejection("POST", "sales/orders", body))["details"]) == ["public_id"]
    await till.set_flags(unique_order_public_id=False)
    await till.post("sales/orders", body)
    assert (await till.get("sales/orders", ("~[public_id]", "S-1")))["total"] == 2


async def test_orders_can_be_back_dated(till: Till) -> None:
    order = await till.order(created_at="2026-03-02T16:04:05+01:00")

    assert (await till.get(f"sales/orders/{order}"))["created_at"] == "2026-03-02T15:04:05+00:00"


async def test_lines_follow_edits_and_so_does_the_committed_stock(till: Till) -> None:
    order, item = await till.order(), await till.item()
    line = await till.line(order, item, 2)
    await till.put(f"sales/orders/{order}", {"status": "open"})

    await till.put(f"sales/orders/{order}/lines/{line}", {"qty": 5})
    await till.line(order, item, 1)

    assert (await till.get("inventory/values"))["results"][0]["qty_committed"] == 6
    assert (await till.get(f"sales/orders/{order}"))["total"] == 144
    assert (await till.raw("DELETE", f"sales/orders/{order}/lines/{line}")).status == 200
    assert (await till.get("inventory/values"))["results"][0]["qty_committed"] == 1
    assert (await till.get(f"sales/orders/{order}"))["total"] == 24


async def test_if_deleting_lines_is_disabled_their_quantity_can_be_zero(till: Till) -> None:
    order = await till.order()
    line = await till.line(order, await till.item())
    await till.set_flags(can_delete_order_lines=False)

    await till.rejection("DELETE", f"sales/orders/{order}/lines/{line}", status=405)
    assert (await till.put(f"sales/orders/{order}/lines/{line}", {"qty": 0}))["qty"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "item_id"),
        ({"item_id": 5}, "item_id"),
        ({"item_id": [5]}, "item_id"),
        ({"item_id": 100001, "qty": -1}, "qty"),
        ({"item_id": 100001, "qty": "2"}, "qty"),
        ({"item_id": 100001, "qty": 0.5}, "qty"),
        ({"item_id": 100001, "qty": 100000}, "qty"),
        ({"item_id": 100001, "adjusted_unit_price": 7.333}, "adjusted_unit_price"),
    ],
)
async def test_a_line_that_cannot_be_saved_names_the_field(till: Till, body: object, field: str) -> None:
    await till.item()
    order = await till.order()

    assert list((await till.rejection("POST", f"sales/orders/{order}/lines", body))["details"]) == [field]


async def test_a_line_without_prices_has_those_of_its_item(till: Till) -> None:
    order, item = await till.order(), await till.item(price=19.99)
    line = await till.post(f"sales/orders/{order}/lines", {"item_id": item})

    read = await till.get(f"sales/orders/{order}/lines/{line}")

    assert (read["original_unit_price"], read["adjusted_unit_price"], read["qty"]) == (19.99, 19.99, 1)


async def test_tax_is_computed_anew_whenever_lines_change() -> None:
    async with open_till(sandbox_tax_rate="0.07") as till:
        order, item = await till.order(), await till.item()
        line = await till.line(order, item, 1, 21.6)
        assert [tax["value"] for tax in (await till.get(f"sales/orders/{order}/taxes"))["results"]] == [1.51]
        await till.post(f"sales/orders/{order}/taxes", {"description": "reset", "value": -1.51})

        await till.put(f"sales/orders/{order}/lines/{line}", {"qty": 2})

        assert [tax["value"] for tax in (await till.get(f"sales/orders/{order}/taxes"))["results"]] == [3.02, -1.51]
        assert (await till.get(f"sales/orders/{order}"))["total_tax"] == 1.51


async def test_tax_is_left_alone_when_switched_off() -> None:
    async with open_till(sandbox_tax_rate="0.07") as till:
        await till.set_flags(recompute_tax=False)
        order = await till.order()
        await till.line(order, await till.item())

        assert (await till.get(f"sales/orders/{order}/taxes"))["total"] == 0


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (payment(0), "payment_error"),
        (payment(-1), "payment_error"),
        (payment(1000), "payment_error"),
        (payment("24"), "validation_error"),
        (payment(24, payment_type_id=9), "validation_error"),
        (payment(24, type="Wampum"), "validation_error"),
    ],
)
async def test_an_invalid_payment_is_rejected(till: Till, body: object, error: str) -> None:
    order = await till.open_order(qty=1)

    assert (await till.rejection("POST", f"sales/orders/{order}/payments", body))["error"] == error
    assert await till.ids("payments") == []


async def test_overpaying_is_rejected_only_if_strict(till: Till) -> None:
    order = await till.open_order(qty=1)
    await till.post(f"sales/orders/{order}/payments", payment(25))
    await till.set_flags(strict_payments=True)

    await till.rejection("POST", f"sales/orders/{order}/payments", payment(1))
    await till.post(f"sales/orders/{order}/payments", payment(-1))

    assert (await till.get(f"sales/orders/{order}"))["balance"] == 0
    assert [row["status"] for row in (await till.get("payments", ("~[status]", "complete")))["results"]] == [
        "complete",
        "complete",
    ]
