"""Drift ledger: differences between the two systems and their repairs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, get_args

from shared.state.database import Database, clean

State = Literal["open", "repairing", "repaired", "gone", "ignored", "review"]
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference.

    `at_risk` is money in `currency`; `repairable`: the right value is certain and may be written.
    """

    connection: str
    entity: str
    key: str
    kind: str
    reason: str
    at_risk: Decimal = Decimal(0)
    currency: str = ""
    repairable: bool = True
    details: Mapping[str, Any] | None = None

    @property
    def place(self) -> tuple[str, str, str]:
        return self.entity, self.key, self.kind


@dataclass(frozen=True, slots=True)
class Drift:
    """A stored finding. `looks` counts the passes that saw it since it opened."""

    id: int
    connection: str
    entity: str
    key: str
    kind: str
    state: State
    reason: str
    at_risk: Decimal
    currency: str
    repairable: bool
    details: dict[str, Any]
    undo: dict[str, Any] | None
    looks: int
    repairs: int
    first_seen: datetime
    last_seen: datetime
    content: str = ""


_COLUMNS = """id, connection, entity, key, kind, state, reason, at_risk, currency, repairable, details, undo, looks,
              repairs, first_seen, last_seen, content"""
# What makes a finding a new one: what it was is over, or a person let another difference be, or the record changed
# since the last look, so that two looks have not seen the same; or a repair was overtaken by a change of the record,
# so that it has not failed.
_ANEW = """(d.state in ('repaired', 'gone')
            or d.state = 'ignored' and (d.reason, d.at_risk) is distinct from (excluded.reason, excluded.at_risk)
            or d.state = 'open' and d.last_seen < $11 and $11 <= excluded.last_seen
            or d.state = 'repairing' and d.content <> excluded.content)"""
UNDER_WAY: tuple[State, ...] = ("open", "repairing", "review")
_Found = list[Drift]  # inside the class, `list` is the method


class DriftLedger:
    """Every method raises TargetDown without a database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def saw(
        self, finding: Finding, now: datetime, changed_at: datetime | None = None, content: str = ""
    ) -> Drift:
        """A finding of this pass: its record changed last at `changed_at`; `content` is its content's hash.
        What was over opens anew; what a person ignored stays ignored as long as it is the same.
        """
        row = await self._db.fetchrow(
            f"""insert into drift as d (connection, entity, key, kind, reason, at_risk, currency, repairable, details,
                                        first_seen, last_seen, content)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $12)
                on conflict (connection, entity, key, kind) do update
                   set reason = excluded.reason, at_risk = excluded.at_risk, currency = excluded.currency,
                       repairable = excluded.repairable, details = excluded.details, last_seen = excluded.last_seen,
                       content = excluded.content,
                       looks = case when {_ANEW} then 1 else d.looks + 1 end,
                       repairs = case when {_ANEW} then 0 else d.repairs end,
                       first_seen = case when {_ANEW} then excluded.first_seen else d.first_seen end,
                       state = case when {_ANEW} then 'open' else d.state end
                returning {_COLUMNS}""",  # noqa: S608
            finding.connection, finding.entity, clean(finding.key), finding.kind, clean(finding.reason),
            finding.at_risk, finding.currency, finding.repairable, dict(finding.details or {}), now, changed_at or now,
            content,
        )  # fmt: skip
        assert row is not None  # noqa: S101 - it was inserted or updated
        return _drift(row)

    async def over(
        self, connection: str, entities: Collection[str], keys: Collection[str], seen: Collection[tuple[str, str, str]]
    ) -> _Found:
        """These keys were compared for these entities, and only `seen` was found: the rest is over.

        What it was.
        """
        rows = await self._db.fetch(
            f"""update drift set state = case state when 'repairing' then 'repaired' else 'gone' end,
                       last_seen = clock_timestamp()
                 where connection = $1 and entity = any($2::text[]) and key = any($3::text[])
                   and state in ('open', 'repairing', 'review', 'ignored')
                   and (entity, key, kind) not in
                       (select * from unnest($4::text[], $5::text[], $6::text[]) as s (entity, key, kind))
                returning {_COLUMNS}""",  # noqa: S608
            connection, list(entities), list(keys), *([place[at] for place in seen] for at in range(3)),
        )  # fmt: skip
        return [_drift(row) for row in rows]

    async def repairing(self, row: Drift, of: Collection[State] = UNDER_WAY) -> bool:
        """Claim it for a repair.

        False if its state is not in `of` any more, or another process claimed it first.
        """
        return await self._db.execute(
            """update drift set state = 'repairing', repairs = repairs + 1
                where id = $1 and repairs = $2 and state = any($3::text[])""",
            row.id, row.repairs, list(of),
        ) > 0  # fmt: skip

    async def undoes(self, number: int, undo: Mapping[str, Any]) -> None:
        """Note how to undo a sent repair: the target's former values, the repair notices, and the time (`at`)."""
        await self._db.execute("update drift set undo = $2 where id = $1", number, dict(undo))

    async def repaired_since(self, connection: str, entities: Collection[str], moment: datetime) -> _Found:
        """Automatic repairs of these entities since then, whatever their outcome."""
        rows = await self._db.fetch(
            f"""select {_COLUMNS} from drift where connection = $1 and entity = any($2::text[])
                   and (undo->>'at')::timestamptz >= $3 and not undo ? 'by_hand'""",  # noqa: S608
            connection, list(entities), moment,
        )  # fmt: skip
        return [_drift(row) for row in rows]

    async def becomes(self, number: int, state: State, of: Collection[State] = STATES) -> bool:
        """Set a row's state. False if it is in none of the states `of`."""
        return await self._db.execute(
            "update drift set state = $2 where id = $1 and state = any($3::text[])", number, state, list(of)
        ) > 0  # fmt: skip

    async def get(self, number: int) -> Drift | None:
        row = await self._db.fetchrow(f"select {_COLUMNS} from drift where id = $1", number)  # noqa: S608
        return _drift(row) if row else None

    async def open_keys(self, connection: str, entities: Collection[str], states: Sequence[str]) -> list[str]:
        """Keys of these entities that have differences in one of these states."""
        rows = await self._db.fetch(
            """select distinct key from drift
                where connection = $1 and entity = any($2::text[]) and state = any($3::text[])""",
            connection, list(entities), list(states),
        )  # fmt: skip
        return [row["key"] for row in rows]

    async def list(self, states: Sequence[str] = UNDER_WAY, connection: str = "") -> _Found:
        """Rows in these states, the most money at risk first."""
        rows = await self._db.fetch(
            f"""select {_COLUMNS} from drift where state = any($1::text[]) and ($2 = '' or connection = $2)
                 order by at_risk desc, first_seen""",  # noqa: S608
            list(states), connection,
        )  # fmt: skip
        return [_drift(row) for row in rows]


def _drift(row: Any) -> Drift:
    return Drift(**dict(row.items()))
