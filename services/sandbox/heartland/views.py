"""Formats records for answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.sandbox.heartland.query import Query
from services.sandbox.heartland.schema import RESOURCES
from services.sandbox.heartland.table import Row, Table

BY_NAME: Final = {resource.name: resource for resource in RESOURCES}


def shown(table: str, row: Row) -> Row:
    """The record, with `?` appended to the names of its boolean questions."""
    asked = BY_NAME[table].asked
    if not asked:
        return row
    return {f"{name}?" if name in asked else name: value for name, value in row.items()}


def listed(tables: Mapping[str, Table], name: str, row: Row, query: Query) -> Row:
    """The record as in a list: with its `_include`s, limited to the `_only` fields."""
    view = shown(name, row)
    if query.include:
        view = {**view, **_included(tables, name, row, query)}
    if query.only:
        wanted = {spelling for field in query.only for spelling in (field, f"{field}?")} | set(query.include)
        view = {key: value for key, value in view.items() if key in wanted}
    return view


def _included(tables: Mapping[str, Table], name: str, row: Row, query: Query) -> Row:
    found: Row = {}
    for include in query.include:
        if name == "locations" and include == "stations":
            stations = tables["stations"]
            found[include] = [shown("stations", stations.rows[n]) for n in stations.equal_to("location_id", row["id"])]
        elif include in BY_NAME[name].includes:
            field, table = BY_NAME[name].includes[include]
            other = tables[table].rows.get(row[field])
            found[include] = None if other is None else shown(table, other)
    return found
