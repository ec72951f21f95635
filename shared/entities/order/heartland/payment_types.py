"""Heartland's payment types: model and requests."""

from __future__ import annotations

from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.models import Model, Text, read_one
from shared.limits.call_context import CallContext


class PaymentType(Model):
    id: int
    name: Text = ""


async def read_payment_types(client: HeartlandClient, context: CallContext) -> list[PaymentType]:
    return [read_one(PaymentType, row) async for row in client.walk("payment_types", context=context)]


async def create_payment_type(client: HeartlandClient, name: str, context: CallContext) -> int | None:
    return await client.create("payment_types", body={"name": name}, context=context)
