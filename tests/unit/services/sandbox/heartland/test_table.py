"""Index look-ups give the same result as a scan."""

from __future__ import annotations

from random import Random

import pytest

from services.sandbox.heartland import schema
from services.sandbox.heartland.collection_query import predicate, select, typed
from services.sandbox.heartland.query import Query, group
from services.sandbox.heartland.table import Table

FILTERS = [
    {"public_id": "S-3"},
    {"public_id": {"$in": ["S-3", "S-4", "none"]}},
    {"custom@key": "2"},
    {"custom@key": {"$neq": "2"}},
    {"custom@key": None},
    {"id": {"$gt": 100010}, "status": "open"},
    {"id": {"$gt": 100010, "$lte": 100020}},
    {"updated_at": {"$gte": "2026-01-05"}},
    {"updated_at": {"$lt": "2026-01-05T00:00:00Z"}, "total": {"$gte": 3}},
    {"$or": [{"public_id": "S-1"}, {"custom@key": "4"}]},
    {"$or": [{"public_id": "S-1"}, {"total": 7}]},
    {"$and": [{"status": "open"}, {"total": {"$nin": [1, 2, 3]}}]},
    {"$or": []},
    {},
]


def filled(random: Random) -> Table:
    table = Table(schema.ORDERS, lambda: 0.0)
    for number in range(60):
        table.insert(
            {"public_id": f"S-{number}", "status": random.choice(["open", "pending"]), "total": number % 9}
            | {"customer_id": None, "updated_at": f"2026-01-{random.randint(1, 9):02}T00:00:00+00:00"}
            | {"custom": {"key": str(number % 5)} if number % 3 else {}}
        )
    for number in random.sample(list(table.rows), 20):
        table.change(number, {"status": "closed", "updated_at": "2026-01-10T00:00:00+00:00", "custom": {"key": "2"}})
    for number in random.sample(list(table.rows), 10):
        table.delete(number)
    return table


@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_a_look_up_finds_the_same_as_a_scan(filters: dict[str, object]) -> None:
    table = filled(Random(4))
    condition = group(filters)

    found = select(table, Query(condition, (), (), (), 1, None, ""), None, set())

    matches = predicate(typed(condition, schema.ORDERS))
    assert found == [number for number, row in table.rows.items() if matches(row)]


def test_records_can_be_hidden_by_their_age() -> None:
    now = [0.0]
    table = Table(schema.USERS, lambda: now[0])
    first = table.insert({"login": "a", "updated_at": None})
    now[0] = 5.0
    second = table.insert({"login": "b", "updated_at": None})

    assert table.younger_than(3) == {second}
    assert table.younger_than(6) == {first, second}


def test_sorting_is_by_every_field_asked_for() -> None:
    table = filled(Random(4))
    found = select(table, Query(group({}), (("total", True), ("id", False)), (), (), 1, None, ""), None, set())

    keys = [(-table.rows[number]["total"], number) for number in found]
    assert keys == sorted(keys)
