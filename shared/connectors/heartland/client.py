"""Heartland Retail's REST protocol: single requests, filters and paging, for any kind of record.

Every method raises TargetDown, Refused and NotFound; those that write also OutcomeUnknown (see `transport`). A POST is
answered with an empty body and a Location header, which has the id of the new record. The header may be missing, so
`create` returns the id or None.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

import orjson

from shared.connectors.heartland.transport import Answer, Query
from shared.errors import TargetDown
from shared.limits.call_context import CallContext

Json = Mapping[str, Any]
Row = dict[str, Any]

# Values of one `$in` filter: few requests, and below any proxy's limit on the length of a URL.
_VALUES_PER_QUERY = 80
_SUB_RECORDS_PER_PAGE = 500


class RequestSender(Protocol):
    """The part of `Transport` that is used here. A dry run passes another implementation."""

    @property
    def call_seconds(self) -> float: ...

    async def send(
        self,
        method: str,
        path: str,
        *ids: int,
        query: Query = (),
        body: Mapping[str, object] | None = None,
        context: CallContext,
    ) -> Answer: ...


class HeartlandClient:
    """The client of one account. Each `{}` in a path is replaced by the next of `ids`."""

    def __init__(self, transport: RequestSender) -> None:
        self.transport = transport

    @property
    def call_seconds(self) -> float:
        """How long a request may take after it has passed the rate limit."""
        return self.transport.call_seconds

    async def whoami(self, context: CallContext) -> Json:
        """The profile of the token's user: shows that address and token are valid."""
        return await self.record("system/whoami", context=context)

    async def record(self, path: str, *ids: int, context: CallContext) -> Row:
        """One record."""
        data = (await self.transport.send("GET", path, *ids, context=context)).data
        if not isinstance(data, dict):
            raise TargetDown("Heartland's answer to a request for one record is not a record")
        return data

    async def create(self, path: str, *ids: int, body: Json, context: CallContext) -> int | None:
        """POST a new record. Returns its id, None if Heartland does not return it."""
        return (await self.transport.send("POST", path, *ids, body=body, context=context)).id

    async def update(self, path: str, *ids: int, body: Json, context: CallContext) -> None:
        """PUT changes of one record."""
        await self.transport.send("PUT", path, *ids, body=body, context=context)

    async def delete(self, path: str, *ids: int, context: CallContext) -> None:
        """DELETE one record."""
        await self.transport.send("DELETE", path, *ids, context=context)

    async def first_page(
        self, path: str, condition: Json, *, per_page: int, extra: Query = (), context: CallContext
    ) -> list[Row]:
        """At most `per_page` records that match the filter."""
        query = [*_filter(condition), ("per_page", str(per_page)), *extra]
        return _rows((await self.transport.send("GET", path, query=query, context=context)).data)

    async def by_values(
        self, path: str, field: str, values: Sequence[str | int], *, extra: Query = (), context: CallContext
    ) -> list[Row]:
        """The records whose unique `field` has one of these values, many per request."""
        found: list[Row] = []
        for part in batches_of(values):
            condition = {field: part[0] if len(part) == 1 else {"$in": part}}
            found += await self.first_page(path, condition, per_page=_VALUES_PER_QUERY, extra=extra, context=context)
        return found

    async def walk(
        self, path: str, condition: Json | None = None, *, extra: Query = (), per_page: int = 200, context: CallContext
    ) -> AsyncIterator[Row]:
        """Every record that matches the filter, by ascending id.

        Each page starts after the last id of the previous one, so that inserts and deletes meanwhile shift no page.
        """
        last = 0
        while True:
            bounds = {"id": {"$gt": last}} if last else {}
            query = [*_filter({**(condition or {}), **bounds}), ("sort[]", "id"), ("per_page", str(per_page)), *extra]
            rows = _rows((await self.transport.send("GET", path, query=query, context=context)).data)
            for row in rows:
                if int(row["id"]) > last:
                    yield row
            highest = max((int(row["id"]) for row in rows), default=last)
            if len(rows) < per_page or highest <= last:
                return
            last = highest

    async def sub_records(self, path: str, *ids: int, context: CallContext) -> list[Row]:
        """All sub-records of one record, by page number: few, and filters on them are not documented."""
        rows: list[Row] = []
        page, pages = 1, 1
        while page <= pages:
            query = [("per_page", str(_SUB_RECORDS_PER_PAGE)), ("page", str(page))]
            data = (await self.transport.send("GET", path, *ids, query=query, context=context)).data
            rows += _rows(data)
            pages = int(data.get("pages") or 1) if isinstance(data, Mapping) else 1
            page += 1
        return rows


def batches_of(values: Sequence[Any]) -> list[Sequence[Any]]:
    """`values` in batches that each fit into one `$in` filter."""
    return [values[start : start + _VALUES_PER_QUERY] for start in range(0, len(values), _VALUES_PER_QUERY)]


def _filter(condition: Json) -> list[tuple[str, str]]:
    return [("_filter", orjson.dumps(condition).decode())] if condition else []


def only(*fields: str) -> list[tuple[str, str]]:
    """The query that limits each record to these fields."""
    return [("_only[]", field) for field in fields]


def _rows(data: Any) -> list[Row]:
    rows = data.get("results") if isinstance(data, Mapping) else data
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TargetDown("Heartland's answer to a request for a list is not a list")
    return rows
