"""Shipping: invoices take from orders, move stock, close what is done."""

from __future__ import annotations

import pytest

from tests.unit.services.sandbox.heartland.till import MAIN_STREET, ONLINE, Till


async def invoice(till: Till, order: int) -> int:
    body = {"order_id": order, "source_location_id": MAIN_STREET, "station_id": 100002}
    return await till.post("sales/invoices", body)


async def test_completing_an_invoice_moves_stock_and_closes_the_order(till: Till) -> None:
    order = await till.open_order(qty=2, shipping_charge=5)
    number = await invoice(till, order)
    await till.post(f"sales/invoices/{number}/lines", {"type": "ItemLine", "item_id": 100001, "qty": 2})

    completed = await till.put(f"sales/invoices/{number}", {"status": "complete"})

    assert (completed["status"], completed["completed?"], completed["total"]) == ("complete", True, 53)
    assert (await till.get(f"sales/orders/{order}"))["status"] == "closed"
    value = (await till.get("inventory/values"))["results"][0]
    assert (value["qty_on_hand"], value["qty_committed"]) == (-2, 0)


async def test_partial_shipments_add_up_to_the_order(till: Till) -> None:
    order = await till.open_order(qty=3, shipping_charge=6.95)
    await till.post(f"sales/orders/{order}/taxes", {"description": "State", "value": 10})
    await till.post(
        f"sales/orders/{order}/payments", {"type": "CashPayment", "payment_type_id": 100001, "amount": 88.95}
    )

    first = await till.ship(order, lines=[{"sku": "TEE", "qty": 1}], tracking_number="1Z", carrier="UPS")
    second = await till.ship(order)

    assert (first["status"], second["status"]) == ("open", "closed")
    invoices = (await till.get("sales/invoices", ("order_id", str(order))))["results"]
    assert [row["shipping_charge"] for row in invoices] == [6.95, 0]
    assert [row["total_tax"] for row in invoices] == [3.33, 6.67]
    assert round(sum(row["total"] for row in invoices), 2) == 88.95
    assert invoices[0]["custom"] == {"tracking_number": "1Z", "carrier": "UPS"}


async def test_invoices_have_tax_and_shipping_lines(till: Till) -> None:
    order = await till.open_order(shipping_charge=5)
    await till.post(f"sales/orders/{order}/taxes", {"description": "State", "value": 1})
    shipped = await till.ship(order)

    lines = (await till.get(f"sales/invoices/{shipped['invoice_id']}/lines"))["results"]

    assert [(line["type"], line["qty"]) for line in lines] == [
        ("ItemLine", 2),
        ("TaxLine", None),
        ("ShippingLine", None),
    ]


async def test_shipping_more_than_remains_is_rejected_atomically(till: Till) -> None:
    order = await till.open_order(qty=2)
    line = (await till.ids(f"sales/orders/{order}/lines"))[0]
    for lines in ([{"sku": "TEE", "qty": 3}], [{"line_id": line, "qty": 3}], [{"sku": "MUG"}]):
        with pytest.raises(AssertionError, match="400"):
            await till.ship(order, lines=lines)

    assert await till.ids("sales/invoices") == []
    assert (await till.ship(f"{order}", lines=[{"line_id": line, "qty": 2}]))["status"] == "closed"
    with pytest.raises(AssertionError, match="400"):
        await till.ship(order)


async def test_a_pending_order_has_no_invoices(till: Till) -> None:
    order = await till.order()
    body = {"order_id": order, "source_location_id": ONLINE, "station_id": 100001}

    assert list((await till.rejection("POST", "sales/invoices", body))["details"]) == ["order_id"]


async def test_two_pending_invoices_do_not_claim_the_same_goods(till: Till) -> None:
    order = await till.open_order(qty=1)
    first, second = await invoice(till, order), await invoice(till, order)
    await till.post(f"sales/invoices/{first}/lines", {"item_id": 100001, "qty": 1})

    await till.rejection("POST", f"sales/invoices/{second}/lines", {"item_id": 100001, "qty": 1})
    await till.rejection("PUT", f"sales/invoices/{second}", {"status": "complete"})
    await till.rejection("PUT", f"sales/orders/{order}", {"status": "canceled"})


async def test_an_invoiced_line_keeps_what_was_invoiced(till: Till) -> None:
    order = await till.open_order(qty=3)
    line = (await till.ids(f"sales/orders/{order}/lines"))[0]
    await till.ship(order, lines=[{"line_id": line, "qty": 2}])

    await till.rejection("PUT", f"sales/orders/{order}/lines/{line}", {"qty": 1})
    await till.rejection("DELETE", f"sales/orders/{order}/lines/{line}")


async def test_a_complete_invoice_takes_only_custom_fields(till: Till) -> None:
    order = await till.open_order()
    number = (await till.ship(order))["invoice_id"]

    changed = await till.put(f"sales/invoices/{number}", {"custom@tracking_number": "1Z"})

    assert changed["custom"] == {"tracking_number": "1Z"}
    await till.rejection("PUT", f"sales/invoices/{number}", {"source_location_id": ONLINE})
    await till.rejection("POST", f"sales/invoices/{number}/lines", {"item_id": 100001, "qty": 1})


async def test_changed_invoices_are_found_by_their_time(till: Till) -> None:
    order = await till.open_order()
    await till.ship(order)
    changed = (await till.get("sales/invoices"))["results"][0]["updated_at"]

    filters = f'{{"status":"complete","updated_at":{{"$gte":"{changed}"}}}}'

    assert await till.ids("sales/invoices", ("_filter", filters), ("sort[]", "updated_at")) == [100001]
    assert await till.ids("sales/invoices", ("~[updated_at][$gt]", changed)) == []


async def test_every_movement_is_in_the_ledger(till: Till) -> None:
    order = await till.open_order(qty=2)
    await till.ship(order, lines=[{"sku": "TEE", "qty": 1}])
    rows = (await till.get("inventory/transactions", ("sort[]", "id")))["results"]

    assert sum(row["delta_qty"] for row in rows) == -1
    assert sum(row["delta_qty_committed"] for row in rows) == 1
    cursor = ("_filter", f'{{"id":{{"$gt":{rows[0]["id"]}}}}}')
    assert await till.ids("inventory/transactions", cursor) == [row["id"] for row in rows[1:]]


async def test_untracked_items_have_no_movements(till: Till) -> None:
    order = await till.order()
    await till.line(order, await till.item("FEE", track_inventory=False))
    await till.put(f"sales/orders/{order}", {"status": "open"})
    await till.ship(order)

    assert (await till.get("inventory/transactions"))["total"] == 0


async def test_received_goods_are_on_hand(till: Till) -> None:
    await till.item()
    body = {"public_id": "TEE", "location_id": ONLINE, "qty": 7}

    assert await till.sandbox.control("POST", "/heartland/stock", body) == {"qty_on_hand": 7, "qty_committed": 0}
    values = await till.get(f"inventory/values?group[]=location_id&location_id={ONLINE}&_include[]=location")
    assert values["results"][0]["location"]["name"] == "Online"


async def test_the_control_api_reads_a_whole_order(till: Till) -> None:
    order = await till.open_order(public_id="S-1001")
    await till.ship("S-1001", tracking_number="1Z")

    read_order = await till.sandbox.control("GET", "/heartland/orders/S-1001")

    assert read_order["order"]["id"] == order
    assert read_order["customer"]["name"] == "Rae Quill"
    assert [line["sku"] for line in read_order["lines"]] == ["TEE"]
    assert read_order["invoices"][0]["custom"]["tracking_number"] == "1Z"
    assert [line["qty"] for line in read_order["invoices"][0]["lines"]] == [2]
    assert (await till.sandbox.control("GET", "/heartland/summary"))["orders_by_status"]["closed"] == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("orders/100001/ship", {"lines": 7}),
        ("orders/100001/ship", {"lines": [7]}),
        ("orders/100001/ship", {"lines": [{"sku": "TEE", "qty": "one"}]}),
        ("orders/100001/ship", {"location_id": "x"}),
        ("items", {"public_id": "A", "price": "cheap"}),
        ("items", {}),
        ("stock", {"public_id": "TEE", "qty": "many"}),
        ("behaviour_flags", {"unheard_of": True}),
    ],
)
async def test_an_invalid_control_call_is_rejected_and_changes_nothing(till: Till, path: str, body: object) -> None:
    order = await till.open_order()

    with pytest.raises(AssertionError, match=": 400"):
        await till.sandbox.control("POST", f"/heartland/{path}", body)

    assert await till.ids("sales/invoices") == []
    assert (await till.get(f"sales/orders/{order}"))["status"] == "open"
