"""The types that generators share: planned changes, their results, and the state of one subject."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Json = dict[str, Any]
# A control API call: method, path, body -> status, decoded answer.
Control = Callable[[str, str, object], Awaitable[tuple[int, Any]]]
# A control API call: method, path, body -> status, undecoded answer.
Raw = Callable[[str, str, object], Awaitable[tuple[int, bytes]]]
# New subjects are created in the first part of the load, so that each has time for its other changes.
NEW_SHARE: Final = 0.85


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One change of one subject, made `at` seconds after the start or later, and after the previous change.

    `seq` numbers the changes that write their number into the order; 0 for those that do not.
    """

    at: float
    number: int
    entity: str
    action: str
    seq: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """The result of a change: the sandbox's status and answer, and the `details` for the history."""

    status: int
    answer: Json
    details: Json


@dataclass
class SubjectState:
    """What the generators remember of an order, or another subject, between its changes.

    `seq` is that of the last change. The creating change sets the id, and the name if it is not `#<number>`.
    """

    seed: int
    number: int
    id: str = ""
    document: Json = field(default_factory=dict)
    seq: int = 0
    name: str = ""

    def __post_init__(self) -> None:
        self.name = self.name or f"#{self.number}"


def change_note(seq: int) -> Json:
    """The order fields that carry the number of a change; the note is copied to Heartland."""
    return {"note": f"seq {seq}", "note_attributes": [{"name": "seq", "value": str(seq)}]}


def seq_of(note: object) -> int:
    """The change number in a note; 0 for any other note."""
    words = str(note or "").split()
    return int(words[1]) if len(words) == 2 and words[0] == "seq" and words[1].isdigit() else 0
