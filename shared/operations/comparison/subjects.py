"""The subjects that are compared, from the table of entities; finds the subject of an entity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.entities.spec import Spec, load
from shared.entities.table import ENTITIES
from shared.errors import Rejected
from shared.sync.comparison import Subject


def subjects(entities: Sequence[Spec] = ENTITIES) -> tuple[Subject[Any], ...]:
    """A subject for each entity that is listed and read by itself, with all that is compared within it."""
    return tuple(_subject(spec, entities) for spec in entities if spec.comparison and spec.comparison.records)


def _subject(spec: Spec, entities: Sequence[Spec]) -> Subject[Any]:
    assert spec.comparison is not None  # noqa: S101 - `subjects` asked
    own = [other.comparison for other in entities if other.comparison and _within(other) == spec.name]
    compared = [load(name) for comparison in own for name in comparison.entities]
    records = load(spec.comparison.records)
    ordered = tuple(sorted(compared, key=lambda one: str(one.name)))
    companions = tuple(load(comparison.companion) for comparison in own if comparison.companion)
    return Subject(spec.name, spec.plural, f"reconciler.{spec.plural}", records, ordered, companions)


def _within(spec: Spec) -> str:
    return (spec.comparison.within if spec.comparison else "") or spec.name


SUBJECTS = subjects()


def entities() -> tuple[str, ...]:
    """The names of all compared entities."""
    return tuple(name for subject in SUBJECTS for name in subject.names())


def subject_of(entity: str) -> Subject[Any]:
    """Raises Rejected for an entity that is not compared."""
    for subject in SUBJECTS:
        if entity in subject.names():
            return subject
    raise Rejected(f"{entity!r} is not compared; these are: {', '.join(entities())}")
