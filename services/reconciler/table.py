"""What is compared: the subjects found, and which of them an entity belongs to."""

from __future__ import annotations

from typing import Any

from shared.entities.fulfilment import compare as fulfilment
from shared.entities.order.compare import order, payment
from shared.entities.order.compare.records import Orders
from shared.errors import Rejected
from shared.sync.comparison import Subject

SUBJECTS: tuple[Subject[Any], ...] = (
    Subject("order", "orders", "reconciler.orders", Orders, (fulfilment.ENTITY, order.ENTITY, payment.ENTITY)),
)


def entities() -> tuple[str, ...]:
    """All that are compared."""
    return tuple(name for subject in SUBJECTS for name in subject.names())


def subject_of(entity: str) -> Subject[Any]:
    """Raises Rejected for an entity that is not compared."""
    for subject in SUBJECTS:
        if entity in subject.names():
            return subject
    raise Rejected(f"{entity} is not compared: {', '.join(entities())} are")
