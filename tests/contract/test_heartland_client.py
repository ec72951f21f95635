"""The Heartland client against the sandbox: every call it makes, and every way in which the sandbox can break it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from shared.connectors.heartland.account import HeartlandAccount
from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.errors import NotFound, Refused
from shared.connectors.heartland.transport import RequestLimits, Transport
from shared.entities.fulfilment.heartland import list_invoices, read_invoice_lines
from shared.entities.order.heartland.customers import (
    create_address,
    create_customer,
    customer_by_number,
    customers_by_email,
    read_addresses,
)
from shared.entities.order.heartland.items import create_item, items_by_id, items_by_sku
from shared.entities.order.heartland.locations import read_locations
from shared.entities.order.heartland.orders import (
    add_order_line,
    add_order_payment,
    add_order_tax,
    create_order,
    delete_order_line,
    orders_by_custom_field,
    orders_by_number,
    read_order_lines,
    read_order_payments,
    read_order_taxes,
    read_sales_order,
    update_order,
    update_order_line,
)
from shared.entities.order.heartland.payment_types import create_payment_type, read_payment_types
from shared.errors import CredentialsRefused, OutcomeUnknown, TargetDown
from shared.limits.call_context import LIVE
from shared.limits.circuit_breaker import Breaker
from shared.limits.rate_limit import RateLimit
from shared.runtime.clock import SystemClock
from tests.support.sandbox import Sandbox, open_sandbox


@dataclass
class Pair:
    sandbox: Sandbox
    client: HeartlandClient
    observed: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    clock = SystemClock()
    observed: list[tuple[str, str]] = []
    async with open_sandbox() as sandbox, aiohttp.ClientSession() as session:
        credentials = {"base_url": sandbox.url, "api_token": sandbox.world.settings.sandbox_api_token}
        transport = Transport(
            session,
            HeartlandAccount.read(credentials),
            rate_limit=RateLimit(0, burst=1, max_in_flight=10, clock=clock),
            breaker=Breaker("test", failures=1000, clock=clock),
            clock=clock,
            observe=lambda operation, outcome, seconds: observed.append((operation, outcome)),
            limits=RequestLimits(total_seconds=0.5),
        )
        yield Pair(sandbox, HeartlandClient(transport), observed)


async def an_order(pair: Pair, **changes: Any) -> int:
    (place, *_) = [one for one in await read_locations(pair.client, LIVE) if one.stations]
    customer = await create_customer(
        pair.client, {"first_name": "Ada", "last_name": "?", "email": "ada@example.com"}, LIVE
    )
    body = {
        "status": "pending",
        "public_id": "S-1001",
        "customer_id": customer,
        "source_location_id": place.id,
        "station_id": place.stations[0].id,
        "shipping_charge": Decimal("6.95"),
        "custom": {"shopify_order_id": "5001"},
    }
    made = await create_order(pair.client, {**body, **changes}, LIVE)
    assert made is not None
    return made


async def an_item(pair: Pair, sku: str = "TEE-1") -> int:
    made = await create_item(
        pair.client, {"public_id": sku, "description": sku, "cost": 0, "price": Decimal("10.10")}, LIVE
    )
    assert made is not None
    return made


@pytest.mark.capability("S38")
async def test_the_token_is_good(pair: Pair) -> None:
    assert await pair.client.whoami(LIVE)


async def test_an_order_with_all_its_parts_reads_back_exactly(pair: Pair) -> None:
    item = await an_item(pair)
    order = await an_order(pair)
    line = {"item_id": item, "qty": 3, "original_unit_price": Decimal("10.10"), "adjusted_unit_price": Decimal("9.99")}
    await add_order_line(
        pair.client, order, {**line, "total_tax": Decimal("0.30"), "custom": {"shopify_line_id": "7"}}, LIVE
    )
    await add_order_tax(pair.client, order, {"description": "VAT", "value": Decimal("0.30")}, LIVE)
    type_ = await create_payment_type(pair.client, "Shopify bogus", LIVE)
    payment = {"type": "CustomPayment", "payment_type_id": type_, "amount": Decimal("37.22"), "deposit": True}
    await add_order_payment(pair.client, order, {**payment, "custom": {"shopify_transaction_id": "9"}}, LIVE)
    await update_order(pair.client, order, {"status": "open"}, LIVE)

    (read,) = await orders_by_custom_field(pair.client, "shopify_order_id", "5001", LIVE)
    (read_line,) = await read_order_lines(pair.client, order, LIVE)
    (tax,) = await read_order_taxes(pair.client, order, LIVE)
    (paid,) = await read_order_payments(pair.client, order, LIVE)

    assert (read.id, read.status, read.public_id, read.shipping_charge) == (order, "open", "S-1001", Decimal("6.95"))
    assert (read_line.qty, read_line.unit_price, read_line.custom) == (3, Decimal("9.99"), {"shopify_line_id": "7"})
    assert (tax.description, tax.value) == ("VAT", Decimal("0.30"))
    assert (paid.payment_type_id, paid.amount, paid.custom) == (
        type_,
        Decimal("37.22"),
        {"shopify_transaction_id": "9"},
    )


async def test_lines_change_and_go(pair: Pair) -> None:
    order, item = await an_order(pair), await an_item(pair)
    line = await add_order_line(pair.client, order, {"item_id": item, "qty": 1}, LIVE)
    assert line is not None

    await update_order_line(pair.client, order, line, {"qty": 2, "adjusted_unit_price": Decimal("5.00")}, LIVE)
    changed = await read_order_lines(pair.client, order, LIVE)
    await delete_order_line(pair.client, order, line, LIVE)

    assert [(one.qty, one.unit_price) for one in changed] == [(2, Decimal("5.00"))]
    assert await read_order_lines(pair.client, order, LIVE) == []


async def test_items_and_customers_are_found(pair: Pair) -> None:
    item, order = await an_item(pair), await an_order(pair)
    (customer,) = await customers_by_email(pair.client, "ADA@example.com", LIVE)
    address = {"first_name": "Ada", "last_name": "B", "line_1": "1 Mill Lane", "city": "Louisville", "country": "US"}
    made = await create_address(pair.client, customer.id, address, LIVE)

    assert (await items_by_sku(pair.client, ["TEE-1", "NONE"], LIVE)).keys() == {"TEE-1"}
    assert (await items_by_id(pair.client, [item], LIVE))[item].public_id == "TEE-1"
    assert [one.id for one in await read_addresses(pair.client, customer.id, LIVE)] == [made]
    assert await customer_by_number(pair.client, customer.public_id, LIVE) == customer
    assert [one.id for one in await orders_by_number(pair.client, "S-1001", LIVE)] == [order]


async def test_invoices_are_handed_on_as_read(pair: Pair) -> None:
    order, item = await an_order(pair), await an_item(pair)
    await add_order_line(pair.client, order, {"item_id": item, "qty": 1}, LIVE)
    await update_order(pair.client, order, {"status": "open"}, LIVE)
    await pair.sandbox.control("POST", f"/heartland/orders/{order}/ship", {})

    (invoice,) = [row async for row in list_invoices(pair.client, {"order_id": order}, LIVE)]
    lines = await read_invoice_lines(pair.client, invoice["id"], LIVE)

    assert invoice["status"] == "complete"
    assert [line["item_id"] for line in lines if line["type"] == "ItemLine"] == [item]
    assert (await read_sales_order(pair.client, order, LIVE)).status == "closed"


async def test_a_taken_order_number_is_refused_by_name(pair: Pair) -> None:
    await an_order(pair)

    with pytest.raises(Refused) as caught:
        await an_order(pair)

    assert caught.value.names("public_id")


async def test_what_is_not_there(pair: Pair) -> None:
    with pytest.raises(NotFound):
        await read_sales_order(pair.client, 999, LIVE)


@pytest.mark.parametrize(
    ("fault", "read", "write", "applied"),
    [
        ({"kind": "throttle", "retry_after": 3}, TargetDown, TargetDown, False),
        ({"kind": "error_before"}, TargetDown, OutcomeUnknown, False),
        ({"kind": "error_after"}, TargetDown, OutcomeUnknown, True),
        ({"kind": "timeout_before", "seconds": 5}, TargetDown, OutcomeUnknown, False),
        ({"kind": "timeout_after", "seconds": 5}, TargetDown, OutcomeUnknown, True),
        ({"kind": "html"}, TargetDown, OutcomeUnknown, False),
        ({"kind": "outage"}, TargetDown, OutcomeUnknown, False),
        ({"kind": "unauthorized"}, CredentialsRefused, CredentialsRefused, False),
        ({"kind": "forbidden"}, TargetDown, TargetDown, False),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
async def test_no_fault_is_taken_for_success_and_no_applied_write_for_failure(
    pair: Pair, fault: dict[str, Any], read: type[Exception], write: type[Exception], applied: bool
) -> None:
    await pair.sandbox.faults({"system": "heartland", **fault})
    with pytest.raises(read) as on_read:
        await read_payment_types(pair.client, LIVE)
    with pytest.raises(write) as on_write:
        await create_payment_type(pair.client, "Shopify bogus", LIVE)
    await pair.sandbox.faults()

    assert (type(on_read.value), type(on_write.value)) == (read, write)
    assert [one.name for one in await read_payment_types(pair.client, LIVE)].count("Shopify bogus") == int(applied)
