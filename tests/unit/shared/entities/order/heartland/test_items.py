from __future__ import annotations

from shared.entities.order.heartland.items import items_by_sku
from shared.limits.call_context import LIVE
from tests.unit.shared.connectors.heartland.server import answering, asked_filter, page


async def test_many_skus_are_asked_for_in_few_calls() -> None:
    async with answering(lambda request: page([{"id": 1, "public_id": "A-0"}])) as spoken:
        found = await items_by_sku(spoken.client, [f"A-{number}" for number in range(100)], LIVE)

    assert set(found) == {"A-0"}
    assert [len(asked_filter(query)["public_id"]["$in"]) for _, _, query, _ in spoken.asked] == [80, 20]
