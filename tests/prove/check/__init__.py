"""The checker: verifies the guarantees against a run's evidence. It shares no code with the product.

Its only input is the evidence folder; it has its own parsers for envelopes, hops and the vendors' writes. Each
guarantee is a module with `check(data)`, each entity a module in `entities`; no guarantee names an entity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tests.prove.check import (
    agreement,
    completeness,
    dead_letters,
    duplicates,
    echo,
    memory,
    offsets,
    ordering,
    sufficient_load,
)
from tests.prove.check.entities import ENTITIES
from tests.prove.check.entity import Entity
from tests.prove.check.report import Report, Violation
from tests.prove.check.run_data import RunData, read_run_data
from tests.prove.evidence import Evidence

__all__ = ["Report", "Violation", "check"]

CHECKS: tuple[Callable[[RunData], Iterable[Violation]], ...] = (
    completeness.check,
    duplicates.check,
    ordering.check,
    echo.check,
    agreement.check,
    dead_letters.check,
    offsets.check,
    memory.check,
    sufficient_load.check,
)


def check(evidence: Evidence, entities: Sequence[Entity] = ENTITIES) -> Report:
    data = read_run_data(evidence, entities)
    return Report(
        violations=[violation for one in CHECKS for violation in one(data)],
        checked=sufficient_load.checked_counts(data),
        dlq_expected=len(dead_letters.expected(data)),
        dlq_actual=len(dead_letters.actual(data)),
        dlq_repairable=len(dead_letters.repairable(data)),
        awaiting_review=[f"{entity} {name}" for entity, name in sorted(agreement.awaiting_review(data))],
        parked=completeness.still_parked(data),
    )
