"""What an entity adds to the load: planned changes, seed data, poison records, and how to read its final state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from tests.prove.generate.plan import ChangeResult, Control, Json, PlannedChange, Raw, SubjectState
from tests.prove.generate.poison import PoisonKind

# From seed, number of orders and seconds.
Planner = Callable[[int, int, float], list[PlannedChange]]
# None if the change is not possible yet; it is then tried again.
Execute = Callable[[PlannedChange, SubjectState, Control], Awaitable[ChangeResult | None]]
# From a subject's id and name: its final state at both vendors.
Read = Callable[[str, str, Control, Raw], Awaitable[Json]]


@dataclass(frozen=True)
class Generator:
    """An entity's part of the load.

    `subject` is the entity whose lifecycle its changes belong to: itself or, for a shipment, the order. `plural` is the
    same word as the checker's.
    """

    name: str
    plural: str
    subject: str
    plan: Planner
    execute: Execute
    # Control API calls made before the load: paths and bodies.
    seed_data: Callable[[], Iterable[tuple[str, Json]]] = tuple
    poison_kinds: tuple[PoisonKind, ...] = ()
    # Creates the subject of a poison record in the shop without a webhook, just before that record is repaired.
    create_unannounced: Callable[[Json, Control], Awaitable[tuple[SubjectState, ChangeResult]]] | None = None
    # Reads the final state of its subject; an entity without a lifecycle of its own leaves it out.
    read: Read | None = None
