from __future__ import annotations

from shared.entities.order.heartland.customers import customers_by_email
from shared.limits.call_context import LIVE
from tests.unit.shared.connectors.heartland.server import answering, asked_filter, store


async def test_customers_are_found_in_either_spelling_oldest_first_and_not_deleted_ones() -> None:
    rows = [
        {"id": 2, "email": "ADA@example.com"},
        {"id": 3, "email": "ada@example.com", "deleted_at": "2026-01-01T00:00:00Z"},
        {"id": 4, "email": "ada@example.org"},
    ]
    async with answering(store(rows)) as spoken:
        found = await customers_by_email(spoken.client, "Ada@example.com", LIVE)

    assert [one.id for one in found] == [2]
    assert asked_filter(spoken.asked[0][2])["email"] == {"$in": ["Ada@example.com", "ada@example.com"]}
