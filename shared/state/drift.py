"""The drift ledger: where the two systems differ, and what was done about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from shared.state.database import Database, clean

State = Literal["open", "repairing", "repaired", "gone", "ignored", "review"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. `at_risk` is money in `currency`; `repairable`: what is right is certain, it may be written."""

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
    """A finding as the ledger keeps it. `looks` are the passes that saw it since it opened."""

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


_COLUMNS = """id, connection, entity, key, kind, state, reason, at_risk, currency, repairable, details, undo, looks,
              repairs, first_seen, last_seen"""
_Found = list[Drift]  # inside the class, `list` is the method


class DriftLedger:
    """Every method raises TargetDown without a database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def saw(self, finding: Finding, now: datetime) -> Drift:
        """The finding was seen in this pass. What was over opens anew; what a person ignored stays ignored."""
        row = await self._db.fetchrow(
            f"""insert into drift as d (connection, entity, key, kind, reason, at_risk, currency, repairable, details,
                                        first_seen, last_seen)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
                on conflict (connection, entity, key, kind) do update
                   set reason = excluded.reason, at_risk = excluded.at_risk, currency = excluded.currency,
                       repairable = excluded.repairable, details = excluded.details, last_seen = excluded.last_seen,
                       looks = case when d.state in ('repaired', 'gone') then 1 else d.looks + 1 end,
                       repairs = case when d.state in ('repaired', 'gone') then 0 else d.repairs end,
                       first_seen = case when d.state in ('repaired', 'gone') then excluded.first_seen
                                         else d.first_seen end,
                       state = case when d.state in ('repaired', 'gone') then 'open' else d.state end
                returning {_COLUMNS}""",  # noqa: S608
            finding.connection, finding.entity, clean(finding.key), finding.kind, clean(finding.reason),
            finding.at_risk, finding.currency, finding.repairable, dict(finding.details or {}), now,
        )  # fmt: skip
        assert row is not None  # noqa: S101 - it was inserted or updated
        return _drift(row)

    async def over(
        self, connection: str, entities: Collection[str], keys: Collection[str], seen: Collection[tuple[str, str, str]]
    ) -> _Found:
        """These keys were compared for these entities, and only `seen` was found: the rest is over. What it was."""
        rows = await self._db.fetch(
            f"""update drift set state = case state when 'repairing' then 'repaired' else 'gone' end,
                       last_seen = clock_timestamp()
                 where connection = $1 and entity = any($2::text[]) and key = any($3::text[])
                   and state in ('open', 'repairing', 'review')
                   and (entity, key, kind) not in
                       (select * from unnest($4::text[], $5::text[], $6::text[]) as s (entity, key, kind))
                returning {_COLUMNS}""",  # noqa: S608
            connection, list(entities), list(keys), *([place[at] for place in seen] for at in range(3)),
        )  # fmt: skip
        return [_drift(row) for row in rows]

    async def repairing(self, number: int, undo: Mapping[str, Any]) -> None:
        """A repair is on its way; `undo` is what the target held before, and the notice that asks for it."""
        await self._db.execute(
            "update drift set state = 'repairing', undo = $2, repairs = repairs + 1 where id = $1", number, dict(undo)
        )

    async def becomes(self, number: int, state: State) -> bool:
        """Set a row's state by hand or for review. False if there is none."""
        return await self._db.execute("update drift set state = $2 where id = $1", number, state) > 0

    async def get(self, number: int) -> Drift | None:
        row = await self._db.fetchrow(f"select {_COLUMNS} from drift where id = $1", number)  # noqa: S608
        return _drift(row) if row else None

    async def open_keys(self, connection: str, states: Sequence[str] = ("open", "repairing", "review")) -> list[str]:
        """Whose differences are not over."""
        rows = await self._db.fetch(
            "select distinct key from drift where connection = $1 and state = any($2::text[])", connection, list(states)
        )
        return [row["key"] for row in rows]

    async def list(self, states: Sequence[str] = ("open", "repairing", "review"), connection: str = "") -> _Found:
        """Rows in these states, the most money at risk first."""
        rows = await self._db.fetch(
            f"""select {_COLUMNS} from drift where state = any($1::text[]) and ($2 = '' or connection = $2)
                 order by at_risk desc, first_seen""",  # noqa: S608
            list(states), connection,
        )  # fmt: skip
        return [_drift(row) for row in rows]


def _drift(row: Any) -> Drift:
    return Drift(**dict(row.items()))
