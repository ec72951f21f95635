"""What is compared: the subjects found, and which of them an entity belongs to."""

from __future__ import annotations

from typing import Any

from services.reconciler import subjects
from services.reconciler.subject import Subject
from shared.errors import Rejected
from shared.runtime.members import members

SUBJECTS: tuple[Subject[Any], ...] = tuple(members(subjects, Subject))


def entities() -> tuple[str, ...]:
    """All that are compared."""
    return tuple(name for subject in SUBJECTS for name in subject.names())


def subject_of(entity: str) -> Subject[Any]:
    """Raises Rejected for an entity that is not compared."""
    for subject in SUBJECTS:
        if entity in subject.names():
            return subject
    raise Rejected(f"{entity} is not compared: {', '.join(entities())} are")
