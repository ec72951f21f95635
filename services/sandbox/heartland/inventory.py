"""Reads stock: grouped values, and the ledger of movements."""

from __future__ import annotations

from services.sandbox.heartland.account import Heartland
from services.sandbox.heartland.call import Answer, Call, rows_answer
from services.sandbox.heartland.collection_query import predicate, typed
from services.sandbox.heartland.decimal_json import Number
from services.sandbox.heartland.query import Group, Query
from services.sandbox.heartland.rejection import bad_request
from services.sandbox.heartland.schema import Resource, names
from services.sandbox.heartland.stock import shown
from services.sandbox.heartland.table import FIRST_ID, Row

VALUES = Resource("values", names("int", "item_id location_id"))
TRANSACTIONS = Resource(
    "transactions",
    names("int", "id item_id location_id source_id")
    | names("time", "created_at")
    | names("number", "delta_qty delta_qty_committed")
    | names("text", "source_type"),
)


def values(call: Call) -> Answer:
    asked = call.query(("item_id", "location_id"))
    pairs = dict(call.pairs)
    groups = [value for key, value in call.pairs if key in ("group[]", "group")]
    if any(name not in ("item_id", "location_id") for name in groups):
        raise bad_request("group[] is item_id or location_id")
    rows = _grouped(call.account, asked, groups)
    if pairs.get("exclude_empty_locations") == "true":
        rows = [row for row in rows if row["qty_on_hand"] or row["qty_committed"]]
    if "location" in asked.include:
        rows = [row | {"location": call.account["locations"].rows.get(row.get("location_id", 0))} for row in rows]
    return rows_answer(rows, asked)


def _grouped(account: Heartland, asked: Query, groups: list[str]) -> list[Row]:
    condition = typed(asked.condition, VALUES)
    matches, item = predicate(condition), _only_item(asked)
    sums: dict[tuple[int | None, int | None], tuple[Number, Number]] = {}
    for item_id, location_id, on_hand, committed in account.stock.places(item):
        if matches({"item_id": item_id, "location_id": location_id}):
            key = (item_id if "item_id" in groups else None, location_id if "location_id" in groups else None)
            old = sums.get(key, (0, 0))
            sums[key] = (old[0] + on_hand, old[1] + committed)
    return [_value_row(account, *key, *sums[key]) for key in sorted(sums, key=str)]


def _only_item(asked: Query) -> int | None:
    """The item id that the query filters by, if any; avoids scanning all locations."""
    for part in asked.condition.parts:
        for test in part.parts if isinstance(part, Group) and not part.any else (part,):
            if not isinstance(test, Group) and (test.field, test.operator) == ("item_id", "$eq") and test.value:
                return int(test.value)
    return None


def _value_row(account: Heartland, item: int | None, location: int | None, on_hand: Number, committed: Number) -> Row:
    place = {"item_id": item, "location_id": location}
    cost = account.item(item).get("cost", 0) if item is not None else 0
    amounts = {"qty": on_hand, "qty_on_hand": on_hand, "qty_committed": committed, "qty_available": on_hand - committed}
    rest = {"qty_on_po": 0, "qty_in_transit": 0, "unit_cost": cost}
    return {name: number for name, number in place.items() if number is not None} | amounts | rest


def transactions(call: Call) -> Answer:
    """The stock ledger; a filter `id > cursor` reads only new movements."""
    asked = call.query(("item_id", "location_id"))
    matches = predicate(typed(asked.condition, TRANSACTIONS))
    movements = call.account.stock.movements
    start = _after(asked)
    rows = (shown(FIRST_ID + number, movements[number]) for number in range(start, len(movements)))
    found = [row for row in rows if matches(row)]
    for field, descending in reversed(asked.sort):
        if field not in TRANSACTIONS.fields:
            raise bad_request(f"Cannot sort by {field}")
        found.sort(key=lambda row, field=field: row[field], reverse=descending)  # type: ignore[misc]
    return rows_answer(found, asked)


def _after(asked: Query) -> int:
    starts = [
        int(test.value) - FIRST_ID + (test.operator == "$gt")
        for part in asked.condition.parts
        for test in (part.parts if isinstance(part, Group) and not part.any else (part,))
        if not isinstance(test, Group) and test.field == "id" and test.operator in ("$gt", "$gte") and test.value
    ]
    return max([0, *starts])
