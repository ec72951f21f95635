"""What every entity's generator is made of: a planned change, the hands that make it, and what is known of a life."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Json = dict[str, Any]
# A call to the sandbox's own handles: method, path, body; status and answer.
Control = Callable[[str, str, object], Awaitable[tuple[int, Any]]]
# The same with the answer's bytes as they are.
Raw = Callable[[str, str, object], Awaitable[tuple[int, bytes]]]
# Whatever is new comes in the first part of the load, so that each has time for the rest of its life.
NEW_SHARE: Final = 0.85


@dataclass(frozen=True, slots=True)
class Planned:
    """One change of one subject: `at` seconds after the start at the earliest, and after the change before it.

    `seq` numbers the changes of an order that leave their number in it; 0 for those that do not.
    """

    at: float
    number: int
    entity: str
    action: str
    seq: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it. `details` go into the history, see there."""

    status: int
    answer: Json
    details: Json


@dataclass
class Placed:
    """What the generators remember of an order, or of what else has a life, while they go on changing it.

    `seq` is of the last change. Whoever places it gives it its id, and a name, where an order's does not fit.
    """

    seed: int
    number: int
    id: str = ""
    document: Json = field(default_factory=dict)
    seq: int = 0
    name: str = ""

    def __post_init__(self) -> None:
        self.name = self.name or f"#{self.number}"


def remark(seq: int) -> Json:
    """How a change leaves its number in the order; the note travels on into Heartland."""
    return {"note": f"seq {seq}", "note_attributes": [{"name": "seq", "value": str(seq)}]}


def seq_of(note: object) -> int:
    """The number in a note; 0 for another note."""
    words = str(note or "").split()
    return int(words[1]) if len(words) == 2 and words[0] == "seq" and words[1].isdigit() else 0
