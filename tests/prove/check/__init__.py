"""The checker: holds a run's evidence against what was promised. It shares no code with what it checks.

It reads the folder of evidence and nothing else, and knows envelopes, hops and vendors' writes by its own reading. A
promise is a file with `check(case)`, an entity one in `entities`; no promise names an entity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tests.prove.check import agree, echo, ends, enough, letters, memory, offsets, once, order_of
from tests.prove.check.case import Case, read_case
from tests.prove.check.entities import ENTITIES
from tests.prove.check.entity import Entity
from tests.prove.check.report import Report, Violation
from tests.prove.evidence import Evidence

__all__ = ["Report", "Violation", "check"]

CHECKS: tuple[Callable[[Case], Iterable[Violation]], ...] = (
    ends.check,
    once.check,
    order_of.check,
    echo.check,
    agree.check,
    letters.check,
    offsets.check,
    memory.check,
    enough.check,
)


def check(evidence: Evidence, entities: Sequence[Entity] = ENTITIES) -> Report:
    case = read_case(evidence, entities)
    return Report(
        violations=[violation for one in CHECKS for violation in one(case)],
        seen=enough.seen(case),
        dlq_expected=len(letters.expected(case)),
        dlq_actual=len(letters.actual(case)),
        dlq_repairable=len(letters.repairable(case)),
        waiting_for_a_person=[f"{entity} {name}" for entity, name in sorted(agree.waiting_for_a_person(case))],
        parked=ends.still_parked(case),
    )
