"""What a plan consists of: steps, and problems that a person must look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from shared.errors import NeedsReview, Waiting

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a person must look at: it becomes a review.

    It does not stop the record unless it `blocks`: then the steps are executed, and the same content is tried again
    when it comes.
    """

    kind: str
    title: str
    advice: str
    details: dict[str, object] = field(default_factory=dict)
    blocks: bool = False

    def error(self) -> NeedsReview:
        return NeedsReview(self.title, kind=self.kind, advice=self.advice, details=self.details)


@dataclass(frozen=True, slots=True)
class Plan(Generic[S]):
    """`complete`: after these steps the target matches.

    Otherwise the next plan needs what they bring to light.

    `waits`: once the steps are done, the rest of the record waits for something.
    """

    steps: tuple[S, ...]
    problems: tuple[Problem, ...] = ()
    complete: bool = True
    waits: Waiting | None = None
