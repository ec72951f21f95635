from __future__ import annotations

from shared.entities.order.heartland.orders import orders_by_custom_field
from shared.limits.call_context import LIVE
from tests.unit.shared.connectors.heartland.server import answering, asked_filter, page


async def test_orders_are_found_by_our_field_and_only_exactly() -> None:
    rows = [{"id": 1, "custom": {"shopify_order_id": "50"}}, {"id": 2, "custom": {"shopify_order_id": "5"}}]
    async with answering(lambda request: page(rows)) as spoken:
        found = await orders_by_custom_field(spoken.client, "shopify_order_id", "5", LIVE)

    assert [one.id for one in found] == [2]
    assert asked_filter(spoken.asked[0][2]) == {"custom@shopify_order_id": "5"}
