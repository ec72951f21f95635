"""What every entity's generator is made of: a planned change, the hands that make it, and what is known of an order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
# A call to the sandbox's own handles: method, path, body; status and answer.
Control = Callable[[str, str, object], Awaitable[tuple[int, Any]]]


@dataclass(frozen=True, slots=True)
class Planned:
    """One change of one order: `at` seconds after the start at the earliest, and after the change before it.

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
    """What the generator remembers of an order while it goes on changing it. `seq` is of the last change."""

    seed: int
    number: int
    id: str = ""
    document: Json = field(default_factory=dict)
    seq: int = 0

    @property
    def name(self) -> str:
        return f"#{self.number}"

    @property
    def heartland(self) -> str:
        """Its number in Heartland."""
        return f"S-{self.number}"


def remark(seq: int) -> Json:
    """How a change leaves its number in the order; the note travels on into Heartland."""
    return {"note": f"seq {seq}", "note_attributes": [{"name": "seq", "value": str(seq)}]}


def seq_of(note: object) -> int:
    """The number in a note; 0 for another note."""
    words = str(note or "").split()
    return int(words[1]) if len(words) == 2 and words[0] == "seq" and words[1].isdigit() else 0
