"""The drift ledger in memory, for histories that are simulated. An integration test holds it against the real one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from shared.state.drift import Drift, Finding

_OVER = ("repaired", "gone")


class MemoryLedger:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], Drift] = {}

    def saw(self, finding: Finding, now: datetime, changed_at: datetime | None = None, content: str = "") -> Drift:
        before = self.rows.get(finding.place)
        fresh = before is None or _is_anew(before, finding, now, changed_at or now, content)
        row = Drift(
            id=before.id if before else len(self.rows) + 1,
            connection=finding.connection,
            entity=finding.entity,
            key=finding.key,
            kind=finding.kind,
            state="open" if before is None or fresh else before.state,
            reason=finding.reason,
            at_risk=finding.at_risk,
            currency=finding.currency,
            repairable=finding.repairable,
            details=dict(finding.details or {}),
            undo=before.undo if before else None,
            looks=1 if before is None or fresh else before.looks + 1,
            repairs=0 if before is None or fresh else before.repairs,
            first_seen=now if before is None or fresh else before.first_seen,
            last_seen=now,
            content=content,
        )
        self.rows[finding.place] = row
        return row

    def over(self, entities: Collection[str], keys: Collection[str], seen: Collection[tuple[str, str, str]]) -> None:
        for place, row in self.rows.items():
            is_open = row.state not in _OVER
            if is_open and row.entity in entities and row.key in keys and place not in seen:
                self.rows[place] = replace(row, state="repaired" if row.state == "repairing" else "gone")

    def repairing(self, row: Drift) -> None:
        place = (row.entity, row.key, row.kind)
        self.rows[place] = replace(self.rows[place], state="repairing", repairs=self.rows[place].repairs + 1)


def _is_anew(row: Drift, finding: Finding, now: datetime, changed_at: datetime, content: str) -> bool:
    is_another = (row.reason, row.at_risk) != (finding.reason, finding.at_risk)
    has_changed = row.last_seen < changed_at <= now
    is_overtaken = row.state == "repairing" and row.content != content
    return (
        row.state in _OVER
        or is_overtaken
        or (row.state == "ignored" and is_another)
        or (row.state == "open" and has_changed)
    )
