"""The audit trail: what operators did, each row bound to the one before it by a hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from shared.state.database import Database, clean

_LOCK = 7_204_118
_COLUMNS = "number, at, actor, action, object, details, previous, hash"
FIRST = "0" * 64


@dataclass(frozen=True, slots=True)
class Entry:
    """One action of an operator. `details` hold ids, counts and hashes: no personal data, no secrets."""

    number: int
    at: datetime
    actor: str
    action: str
    object: str
    details: dict[str, Any]
    previous: str
    hash: str


def hash_of(number: int, at: datetime, actor: str, action: str, what: str, details: object, previous: str) -> str:
    """SHA-256 over all fields of a row and the previous row's hash."""
    said = [number, at.timestamp(), actor, action, what, details, previous]
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


def first_fault(entries: Iterable[Entry]) -> str | None:
    """The first defect of the hash chain; None if it is intact."""
    previous = FIRST
    for number, entry in enumerate(entries, start=1):
        if entry.number != number:
            return f"row {number} is missing"
        if entry.previous != previous:
            return f"row {number} does not follow row {number - 1}"
        given = (entry.number, entry.at, entry.actor, entry.action, entry.object, entry.details, entry.previous)
        if hash_of(*given) != entry.hash:
            return f"row {number} was changed"
        previous = entry.hash
    return None


@dataclass(frozen=True, slots=True)
class Checked:
    """Result of verifying the whole trail.

    `mark` identifies its last row, for a later check to compare with.
    """

    rows: int
    mark: str
    fault: str | None


def check(entries: Sequence[Entry], since: str = "") -> Checked:
    """The trail's rows, oldest first, and the mark of an earlier check (empty for none)."""
    fault = first_fault(entries)
    marks = {f"{entry.number}:{entry.hash}" for entry in entries} | {f"0:{FIRST}"}
    if fault is None and since and since not in marks:
        fault = f"row {since.partition(':')[0]} is not what it was at the earlier check"
    last = f"{entries[-1].number}:{entries[-1].hash}" if entries else f"0:{FIRST}"
    return Checked(len(entries), last, fault)


def _spoken(value: Any) -> Any:
    """Remove what JSON and PostgreSQL cannot store; shell input may hold it."""
    if isinstance(value, str):
        return clean(value)
    return {name: _spoken(inner) for name, inner in value.items()} if isinstance(value, dict) else value


class Audit:
    """Every method raises TargetDown without a database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def note(self, at: datetime, actor: str, action: str, what: str, details: Mapping[str, Any]) -> None:
        """Append a row."""
        actor, action, what = clean(actor), clean(action), clean(what)
        # Normalized as PostgreSQL returns it: whole microseconds, JSON value types.
        kept: dict[str, Any] = orjson.loads(orjson.dumps(_spoken(dict(details)), default=str))
        async with self._db.transaction() as connection:
            await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
            last = await connection.fetchrow("select number, hash from audit order by number desc limit 1")
            number, previous = (last["number"] + 1, last["hash"]) if last else (1, FIRST)
            value = hash_of(number, at, actor, action, what, kept, previous)
            await connection.execute(
                f"insert into audit ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8)",  # noqa: S608
                number, at, actor, action, what, kept, previous, value,
            )  # fmt: skip

    async def entries(self, limit: int = 0) -> list[Entry]:
        """The rows, oldest first; the latest `limit` of them, all for 0."""
        rows = await self._db.fetch(
            f"""select * from (select {_COLUMNS} from audit order by number desc limit nullif($1::int, 0)) as latest
                 order by number""",  # noqa: S608
            limit,
        )
        return [Entry(**dict(row.items())) for row in rows]
