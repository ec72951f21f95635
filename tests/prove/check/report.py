"""What the checker found: each violation of a promise with an example that can be looked up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

# What can be wrong, and the promise that it breaks.
PROMISES: Final[Mapping[str, str]] = {
    "lost": "every acknowledged event ended, and ended for a reason",
    "duplicated": "no fact was applied twice",
    "reordered": "each key's changes arrived in order",
    "echoed": "our own writes cause no writes back",
    "disagreeing": "both systems agree to the cent",
    "dead_letters": "dead letters are exactly the poisoned records, unchanged",
    "passed": "no committed offset passes unfinished work",
    "grown": "memory stays flat",
    "thin": "enough happened to say anything",
}
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Violation:
    """`kind` is one of PROMISES; `text` names ids, topics and offsets, so that it can be looked up."""

    kind: str
    text: str


@dataclass(frozen=True)
class Report:
    """The verdict on one run. `seen` counts what was looked at: a promise that was held to nothing proves nothing."""

    violations: Sequence[Violation]
    seen: Mapping[str, int]
    dlq_expected: int
    dlq_actual: int
    dlq_repairable: int = 0
    waiting_for_a_person: Sequence[str] = ()
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
    def complaints(self) -> list[str]:
        """The first few of each kind, and how many more there are."""
        found = []
        for kind, count in self.counts.items():
            examples = [f"{kind}: {one.text}" for one in self.violations if one.kind == kind]
            more = [f"{kind}: {count - _EXAMPLES} more"] if count > _EXAMPLES else []
            found += [*examples[:_EXAMPLES], *more]
        return found

    def table(self) -> str:
        """For people."""
        counts = self.counts
        lines = [f"{counts[kind]:6d}  {kind:<13} {promise}" for kind, promise in PROMISES.items()]
        seen = ", ".join(f"{count} {what}" for what, count in self.seen.items())
        waiting = [f"  waits for a person: {name}" for name in self.waiting_for_a_person]
        parked = [f"  parked: {name}" for name in self.parked]
        return "\n".join(
            [f"checked: {seen}", *lines, *waiting, *parked, *(f"  {text}" for text in self.complaints), self.verdict]
        )
