"""Per key in order: what the vendors were told of one thing never goes back to an earlier state."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

from tests.prove.check.case import Case
from tests.prove.check.report import Violation
from tests.prove.check.road import Step, seconds


def check(case: Case) -> Iterator[Violation]:
    states = [entity.state for entity in case.entities if entity.state]
    for text in (
        *(text for entity in case.entities for text in entity.reordered(case)),
        *(text for step in states for text in _versions(case, step)),
    ):
        yield Violation("reordered", text)


def _versions(case: Case, step: Step) -> Iterator[str]:
    """What the writer of states says it applied, in the order in which it was done."""
    applied = [hop for hop in case.road.said(step) if hop.outcome == "applied" and hop.version]
    last: dict[str, str] = {}
    for hop in sorted(applied, key=attrgetter("finished")):
        before = last.get(hop.key)
        if before and seconds(hop.version) < seconds(before):
            yield f"the version {hop.version} of {hop.key} was applied after {before}, by event {hop.event}"
        last[hop.key] = hop.version
