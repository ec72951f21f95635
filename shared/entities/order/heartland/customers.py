"""Heartland's customers and their addresses: models and requests."""

from __future__ import annotations

from shared.connectors.heartland.client import HeartlandClient, Json
from shared.connectors.heartland.models import Model, Text, read_all, read_one
from shared.limits.call_context import CallContext


class HeartlandCustomer(Model):
    id: int
    public_id: Text = ""
    first_name: Text = ""
    last_name: Text = ""
    email: Text = ""
    phone_number: Text = ""
    deleted_at: Text = ""


class CustomerAddress(Model):
    id: int
    first_name: Text = ""
    last_name: Text = ""
    line_1: Text = ""
    line_2: Text = ""
    city: Text = ""
    state: Text = ""
    postal_code: Text = ""
    country: Text = ""
    phone: Text = ""


async def customers_by_email(client: HeartlandClient, email: str, context: CallContext) -> list[HeartlandCustomer]:
    """The customers with this address, ignoring case, by ascending id.

    Heartland does not keep addresses unique.
    """
    spellings = sorted({email, email.lower()})
    condition = {"email": spellings[0] if len(spellings) == 1 else {"$in": spellings}}
    rows = [read_one(HeartlandCustomer, row) async for row in client.walk("customers", condition, context=context)]
    return [customer for customer in rows if customer.email.lower() == email.lower() and not customer.deleted_at]


async def customer_by_number(client: HeartlandClient, public_id: str, context: CallContext) -> HeartlandCustomer | None:
    rows = await client.first_page("customers", {"public_id": public_id}, per_page=2, context=context)
    return next((row for row in read_all(HeartlandCustomer, rows) if row.public_id == public_id), None)


async def read_customer(client: HeartlandClient, customer_id: int, context: CallContext) -> HeartlandCustomer:
    """Raises NotFound if there is no such customer."""
    return read_one(HeartlandCustomer, await client.record("customers/{}", customer_id, context=context))


async def create_customer(client: HeartlandClient, customer: Json, context: CallContext) -> int | None:
    return await client.create("customers", body=customer, context=context)


async def update_customer(client: HeartlandClient, customer_id: int, changes: Json, context: CallContext) -> None:
    await client.update("customers/{}", customer_id, body=changes, context=context)


async def read_addresses(client: HeartlandClient, customer_id: int, context: CallContext) -> list[CustomerAddress]:
    rows = await client.sub_records("customers/{}/addresses", customer_id, context=context)
    return read_all(CustomerAddress, rows)


async def create_address(client: HeartlandClient, customer_id: int, address: Json, context: CallContext) -> int | None:
    return await client.create("customers/{}/addresses", customer_id, body=address, context=context)
