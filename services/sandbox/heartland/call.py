"""The request and answer types of the REST API, and the generic rules that read records."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from services.sandbox.heartland import decimal_json, query, views
from services.sandbox.heartland.account import Heartland
from services.sandbox.heartland.collection_query import select
from services.sandbox.heartland.rejection import not_found
from services.sandbox.heartland.table import Row


@dataclass(frozen=True)
class Call:
    """`ids` are the numbers in the path, in order; records younger than `lag` seconds are not listed."""

    account: Heartland
    method: str
    path: str
    ids: tuple[int, ...]
    pairs: tuple[tuple[str, str], ...]
    raw: bytes
    lag: float = 0.0
    late: int = 1  # only ids divisible by this lag

    def body(self) -> Row:
        return decimal_json.load(self.raw)

    def query(self, plain: Collection[str] = ()) -> query.Query:
        return query.parse(self.pairs, plain, self.account.flags.strict_operators)

    def row(self, table: str, index: int = 0) -> Row:
        """The record in the path. Raises Rejection if it does not exist."""
        row = self.account[table].rows.get(self.ids[index])
        if row is None:
            raise not_found()
        return row

    def child(self, table: str) -> Row:
        """The child record in the path. Raises Rejection if it does not exist or has another parent."""
        row = self.row(table, 1)
        if self.account[table].parent(row["id"]) != self.ids[0]:
            raise not_found()
        return row


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any = None
    location: str = ""  # path of the created record


Rule = Callable[[Call], Answer]


def created(call: Call, number: int) -> Answer:
    return Answer(201, None, f"{call.path.rstrip('/')}/{number}")


def changed(call: Call, table: str, row: Row) -> Answer:
    return Answer(200, views.shown(table, row) if call.account.flags.put_answers else None)


def show(table: str) -> Rule:
    return lambda call: Answer(200, views.shown(table, call.row(table)))


def show_child(table: str) -> Rule:
    return lambda call: Answer(200, views.shown(table, call.child(table)))


def index(table: str) -> Rule:
    """Lists a whole collection."""
    return lambda call: collection(call, table)


def index_of(parent: str, table: str) -> Rule:
    """Lists the children of the record in the path."""

    def rule(call: Call) -> Answer:
        return collection(call, table, call.account[table].child_ids(call.row(parent)["id"]))

    return rule


def collection(call: Call, name: str, within: Collection[int] | None = None) -> Answer:
    table = call.account[name]
    asked = call.query(table.resource.plain)
    young = table.younger_than(call.lag) if call.lag else set()
    hidden = {number for number in young if not number % call.late}
    ids = select(table, asked, within, hidden)
    rows = [views.listed(call.account.tables, name, table.rows[number], asked) for number in paged(ids, asked)]
    return envelope(rows, len(ids), asked)


def rows_answer(rows: list[Row], asked: query.Query) -> Answer:
    """Lists rows that are not stored in a table."""
    return envelope(paged(rows, asked), len(rows), asked)


def paged(found: list[Any], asked: query.Query) -> list[Any]:
    if asked.per_page is None:
        return found
    start = (asked.page - 1) * asked.per_page
    return found[start : start + asked.per_page]


def envelope(rows: list[Row], total: int, asked: query.Query) -> Answer:
    pages = 1 if asked.per_page is None else -(-total // asked.per_page)
    return Answer(200, {"total": total, "pages": pages if total else 0, "results": rows})
