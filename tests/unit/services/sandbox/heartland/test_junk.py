"""Any input gets a valid answer, never an internal error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest

from services.sandbox.heartland import schema
from services.sandbox.heartland.routes import CALLS
from tests.unit.services.sandbox.heartland.till import Till

JUNK: list[Any] = [
    None, True, 0, -1, 100001, 100002, 10**30, 1.5, 1e300, -0.005, "", " ", "open", "complete", "canceled", "24", [],
    [1], {}, {"a": 1}, "x" * 300, "2026-01-01", "2026-01-01T00:00:00+99:99", "\u0000", ["item_created"], "http://localhost:1/",
]  # fmt: skip
FIELDS = sorted({name for resource in schema.RESOURCES for name in resource.fields} | {"custom@a", "value"})
FILTERS = ["_filter", "_filter[id][$gt]", "~[status]", "~[id][$in][]", "sort[]", "page", "per_page", "group[]", "query"]


def body(random: Random) -> Mapping[str, Any]:
    return {name: random.choice(JUNK) for name in random.sample(FIELDS, 12)}


@pytest.mark.parametrize("pattern", sorted(CALLS))
async def test_junk_is_answered(till: Till, pattern: str) -> None:
    order = await till.open_order()
    await till.post("sales/invoices", {"order_id": order, "source_location_id": 100002, "station_id": 100002})
    random, path = Random(pattern), pattern.replace("#", "100001").replace("*", "pos.tickets.customer_required")

    for method in CALLS[pattern]:
        for _ in range(40):
            if method == "GET":
                params = [(random.choice(FILTERS), str(random.choice([*JUNK, '{"id":{"$gt":null}}', '{"$or":[{}]}'])))]
                answer = await till.sandbox.heartland(method, path, params=params)
            else:
                answer = await till.raw(method, path, json.dumps(body(random)).encode())

            assert answer.status < 500, (method, path, answer.raw)
