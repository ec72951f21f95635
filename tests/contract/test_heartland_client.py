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
from shared.connectors.heartland.transport import Limits
from shared.errors import CredentialsRefused, OutcomeUnknown, TargetDown
from shared.limits.circuit_breaker import Breaker
from shared.limits.rate_limit import RequestBudget
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
        client = HeartlandClient(
            session,
            HeartlandAccount.read(credentials),
            budget=RequestBudget(0, burst=1, max_in_flight=10, clock=clock),
            breaker=Breaker("test", failures=1000, clock=clock),
            clock=clock,
            observe=lambda operation, outcome, seconds: observed.append((operation, outcome)),
            limits=Limits(total_seconds=0.5),
        )
        yield Pair(sandbox, client, observed)


async def an_order(pair: Pair, **changes: Any) -> int:
    (place, *_) = [one for one in await pair.client.locations() if one.stations]
    customer = await pair.client.create_customer({"first_name": "Ada", "last_name": "?", "email": "ada@example.com"})
    body = {
        "status": "pending",
        "public_id": "S-1001",
        "customer_id": customer,
        "source_location_id": place.id,
        "station_id": place.stations[0].id,
        "shipping_charge": Decimal("6.95"),
        "custom": {"shopify_order_id": "5001"},
    }
    made = await pair.client.create_order({**body, **changes})
    assert made is not None
    return made


async def an_item(pair: Pair, sku: str = "TEE-1") -> int:
    made = await pair.client.create_item({"public_id": sku, "description": sku, "cost": 0, "price": Decimal("10.10")})
    assert made is not None
    return made


@pytest.mark.capability("S38")
async def test_the_token_is_good(pair: Pair) -> None:
    assert await pair.client.whoami()


async def test_an_order_with_all_its_parts_reads_back_exactly(pair: Pair) -> None:
    item = await an_item(pair)
    order = await an_order(pair)
    line = {"item_id": item, "qty": 3, "original_unit_price": Decimal("10.10"), "adjusted_unit_price": Decimal("9.99")}
    await pair.client.add_order_line(order, {**line, "total_tax": Decimal("0.30"), "custom": {"shopify_line_id": "7"}})
    await pair.client.add_order_tax(order, {"description": "VAT", "value": Decimal("0.30")})
    type_ = await pair.client.create_payment_type("Shopify bogus")
    payment = {"type": "CustomPayment", "payment_type_id": type_, "amount": Decimal("37.22"), "deposit": True}
    await pair.client.add_order_payment(order, {**payment, "custom": {"shopify_transaction_id": "9"}})
    await pair.client.update_order(order, {"status": "open"})

    (read,) = await pair.client.orders_by_custom("shopify_order_id", "5001")
    (read_line,) = await pair.client.order_lines(order)
    (tax,) = await pair.client.order_taxes(order)
    (paid,) = await pair.client.order_payments(order)

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
    line = await pair.client.add_order_line(order, {"item_id": item, "qty": 1})
    assert line is not None

    await pair.client.update_order_line(order, line, {"qty": 2, "adjusted_unit_price": Decimal("5.00")})
    changed = await pair.client.order_lines(order)
    await pair.client.delete_order_line(order, line)

    assert [(one.qty, one.unit_price) for one in changed] == [(2, Decimal("5.00"))]
    assert await pair.client.order_lines(order) == []


async def test_items_and_customers_are_found(pair: Pair) -> None:
    item, order = await an_item(pair), await an_order(pair)
    (customer,) = await pair.client.customers_by_email("ADA@example.com")
    address = {"first_name": "Ada", "last_name": "B", "line_1": "1 Mill Lane", "city": "Louisville", "country": "US"}
    made = await pair.client.create_address(customer.id, address)

    assert (await pair.client.items_by_sku(["TEE-1", "NONE"])).keys() == {"TEE-1"}
    assert (await pair.client.items_by_id([item]))[item].public_id == "TEE-1"
    assert [one.id for one in await pair.client.addresses(customer.id)] == [made]
    assert await pair.client.customer_by_number(customer.public_id) == customer
    assert [one.id for one in await pair.client.orders_by_number("S-1001")] == [order]


async def test_invoices_are_handed_on_as_read(pair: Pair) -> None:
    order, item = await an_order(pair), await an_item(pair)
    await pair.client.add_order_line(order, {"item_id": item, "qty": 1})
    await pair.client.update_order(order, {"status": "open"})
    await pair.sandbox.control("POST", f"/heartland/orders/{order}/ship", {})

    (invoice,) = [row async for row in pair.client.invoices({"order_id": order})]
    lines = await pair.client.invoice_lines(invoice["id"])

    assert invoice["status"] == "complete"
    assert [line["item_id"] for line in lines if line["type"] == "ItemLine"] == [item]
    assert (await pair.client.order(order)).status == "closed"


async def test_a_taken_order_number_is_refused_by_name(pair: Pair) -> None:
    await an_order(pair)

    with pytest.raises(Refused) as caught:
        await an_order(pair)

    assert caught.value.names("public_id")


async def test_what_is_not_there(pair: Pair) -> None:
    with pytest.raises(NotFound):
        await pair.client.order(999)


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
        await pair.client.payment_types()
    with pytest.raises(write) as on_write:
        await pair.client.create_payment_type("Shopify bogus")
    await pair.sandbox.faults()

    assert (type(on_read.value), type(on_write.value)) == (read, write)
    assert [one.name for one in await pair.client.payment_types()].count("Shopify bogus") == int(applied)
