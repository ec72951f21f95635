from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.connectors.shopify.document import Document
from shared.entities.fulfilment.shopify.shipped import shipped_units
from tests.support.orders import Node


async def test_units_that_are_no_number_are_not_known() -> None:
    def node(order_id: str, quantity: object) -> Node:
        return {"legacyResourceId": order_id, "fulfillments": [{"status": "SUCCESS", "totalQuantity": quantity}]}

    async def execute(document: Document, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"nodes": [node("5001", None), node("5002", 2), None]}

    assert await shipped_units(execute, ["5001", "5002", "5003"]) == {"5002": 2}
