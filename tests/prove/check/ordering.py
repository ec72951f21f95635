"""Guarantee: order per key. The writes of one key never go back to an earlier state."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

from tests.prove.check.report import Violation
from tests.prove.check.run_data import RunData
from tests.prove.check.topic_data import Stage, seconds


def check(data: RunData) -> Iterator[Violation]:
    states = [entity.state for entity in data.entities if entity.state]
    for text in (
        *(text for entity in data.entities for text in entity.reordered(data)),
        *(text for stage in states for text in _versions(data, stage)),
    ):
        yield Violation("reordered", text)


def _versions(data: RunData, stage: Stage) -> Iterator[str]:
    """Versions that the writer of states applied after a newer one, in order of completion."""
    applied = [hop for hop in data.topic_data.hops_at(stage) if hop.outcome == "applied" and hop.version]
    last: dict[str, str] = {}
    for hop in sorted(applied, key=attrgetter("finished")):
        before = last.get(hop.key)
        if before and seconds(hop.version) < seconds(before):
            yield f"version {hop.version} of {hop.key} was applied after {before}, by event {hop.event}"
        last[hop.key] = hop.version
