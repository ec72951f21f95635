"""What the checker has to know of an entity. The promises go over all of them; each is a file in `entities`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.prove.check.road import Step
from tests.prove.history import Mutation

if TYPE_CHECKING:
    from tests.prove.check.case import Case, Write

Json = dict[str, Any]
# What it is, which one, and the write that brought it.
Fact = tuple[str, str, "Write"]


def nothing(*_: object) -> tuple[()]:
    """What an entity says that has nothing of the kind."""
    return ()


@dataclass(frozen=True)
class Entity:
    """An entity as the checker knows it. All that is given writes is what the vendors took.

    `subject` is whose lives it belongs to: its own, or those of what it hangs on. `plural` is for people.
    """

    name: str
    plural: str
    subject: str
    # Its stretches of the road.
    steps: tuple[Step, ...] = ()
    # The one whose records are states: of a key none is written again unchanged, and none after a newer one.
    state: Step | None = None
    # By process, or "webhooks": the topic where its records come in.
    doors: Mapping[str, str] = field(default_factory=dict)
    # What must have happened in a run that is to prove anything.
    actions: tuple[str, ...] = ()
    # What happened and is on no topic. Webhooks are looked after behind their door.
    unheard: Callable[[Case], Iterable[str]] = nothing
    # Each is written once.
    facts: Callable[[Sequence[Write]], Iterable[Fact]] = nothing
    # What else was written twice.
    doubled: Callable[[Sequence[Write]], Iterable[str]] = nothing
    # What the vendors were told in another order than it happened.
    reordered: Callable[[Case], Iterable[str]] = nothing
    # Between what one subject should be, after all that happened to it, and its row in the books.
    differences: Callable[[Case, Sequence[Mutation], Json], Iterable[str]] = nothing
    # Who stands for whom.
    mixed_up: Callable[[Case], Iterable[str]] = nothing
    # How many facts there were, by their plural.
    counts: Callable[[Sequence[Write]], Mapping[str, int]] = lambda _: {}

    @property
    def has_lives(self) -> bool:
        return self.subject == self.name


def steps_of(entities: Iterable[Entity]) -> tuple[Step, ...]:
    """The whole road: the stretches at its beginning first."""
    return tuple(sorted((step for entity in entities for step in entity.steps), key=lambda step: not step.onwards))
