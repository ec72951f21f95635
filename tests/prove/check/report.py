"""The checker's report: violations of each guarantee, with examples that can be looked up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

# Kind of violation and the guarantee that it breaks.
GUARANTEES: Final[Mapping[str, str]] = {
    "lost": "every acknowledged event reaches a final outcome",
    "duplicated": "no order, payment, line or shipment is written twice",
    "reordered": "changes of each key are written in order",
    "echoed": "our own writes cause no further writes",
    "disagreeing": "both vendors agree to the cent at the end",
    "dead_letters": "dead letters are exactly the poison records, unchanged",
    "early_commit": "no committed offset is past an unfinished record",
    "memory_growth": "memory of each service stays flat",
    "insufficient_load": "load, faults and samples suffice for a verdict",
}
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Violation:
    """`kind` is one of GUARANTEES; `text` names ids, topics and offsets, so that it can be looked up."""

    kind: str
    text: str


@dataclass(frozen=True)
class Report:
    """The verdict on one run. `checked` counts the evidence: a guarantee checked against nothing proves nothing."""

    violations: Sequence[Violation]
    checked: Mapping[str, int]
    dlq_expected: int
    dlq_actual: int
    dlq_repairable: int = 0
    awaiting_review: Sequence[str] = ()
    parked: Sequence[str] = ()

    @property
    def counts(self) -> Counter[str]:
        return Counter(violation.kind for violation in self.violations)

    @property
    def lost(self) -> int:
        return self.counts["lost"]

    @property
    def duplicated(self) -> int:
        return self.counts["duplicated"]

    @property
    def reordered(self) -> int:
        return self.counts["reordered"]

    @property
    def disagreeing(self) -> int:
        return self.counts["disagreeing"]

    @property
    def verdict(self) -> str:
        return "fail" if self.violations else "pass"

    @property
    def failures(self) -> list[str]:
        """The first few violations of each kind, and how many more there are."""
        found = []
        for kind, count in self.counts.items():
            examples = [f"{kind}: {one.text}" for one in self.violations if one.kind == kind]
            more = [f"{kind}: {count - _EXAMPLES} more"] if count > _EXAMPLES else []
            found += [*examples[:_EXAMPLES], *more]
        return found

    def table(self) -> str:
        """The report as text."""
        counts = self.counts
        lines = [f"{counts[kind]:6d}  {kind:<17} {guarantee}" for kind, guarantee in GUARANTEES.items()]
        checked = ", ".join(f"{count} {what}" for what, count in self.checked.items())
        reviews = [f"  open review: {name}" for name in self.awaiting_review]
        parked = [f"  parked: {name}" for name in self.parked]
        return "\n".join(
            [f"checked: {checked}", *lines, *reviews, *parked, *(f"  {text}" for text in self.failures), self.verdict]
        )
