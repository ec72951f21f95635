"""What the checker knows of an entity: one `Entity` per module in `entities`, used by every guarantee."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.prove.check.topic_data import Stage
from tests.prove.history import Mutation

if TYPE_CHECKING:
    from tests.prove.check.run_data import RunData, Write

Json = dict[str, Any]
# Kind of fact, its id, and the write that created it.
Fact = tuple[str, str, "Write"]


def no_results(*_: object) -> tuple[()]:
    """The default of an entity's functions: yields nothing."""
    return ()


@dataclass(frozen=True)
class Entity:
    """An entity as the checker knows it. Functions of writes are given the writes that the vendors accepted.

    `subject` is the entity whose lifecycle its changes belong to: itself or, for a shipment, the order. `plural` is
    used in messages.
    """

    name: str
    plural: str
    subject: str
    # The stages of the pipeline that process its records.
    stages: tuple[Stage, ...] = ()
    # The stage whose records are states: none is written again unchanged, and none after a newer one of its key.
    state: Stage | None = None
    # By process, or "webhooks": the topic on which its records enter the system.
    entry_points: Mapping[str, str] = field(default_factory=dict)
    # Actions that every run must contain.
    actions: tuple[str, ...] = ()
    # Changes that are on no topic. Webhooks are checked for all entities together.
    missing_inputs: Callable[[RunData], Iterable[str]] = no_results
    # Facts that must be written exactly once.
    facts: Callable[[Sequence[Write]], Iterable[Fact]] = no_results
    # Other double writes.
    duplicates: Callable[[Sequence[Write]], Iterable[str]] = no_results
    # Writes that reached a vendor out of order.
    reordered: Callable[[RunData], Iterable[str]] = no_results
    # Differences between the expected state of one subject, after all its changes, and its final state.
    differences: Callable[[RunData, Sequence[Mutation], Json], Iterable[str]] = no_results
    # Records of one system that are linked to the wrong record, or to none, of the other.
    identity_errors: Callable[[RunData], Iterable[str]] = no_results
    # How many facts were written, by plural name.
    counts: Callable[[Sequence[Write]], Mapping[str, int]] = lambda _: {}

    @property
    def has_lifecycle(self) -> bool:
        return self.subject == self.name


def stages_of(entities: Iterable[Entity]) -> tuple[Stage, ...]:
    """The stages of all entities; those that publish to another stage first."""
    return tuple(
        sorted((stage for entity in entities for stage in entity.stages), key=lambda stage: not stage.output_topic)
    )
