"""Records on their way to the broker, and who waits for them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from shared.messaging.envelope import Headers


class Hops:
    """Trace records between two flushes."""

    __slots__ = ("open", "settled")

    def __init__(self) -> None:
        self.open = 0
        self.settled = asyncio.Event()

    def add(self) -> None:
        """One more is on its way; that all before it were settled counts no longer."""
        self.open += 1
        self.settled.clear()


@dataclass(slots=True, eq=False)
class Pending:
    """One record on its way. Somebody waits for `done`, or it is one of `hops` and nobody does."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    done: asyncio.Future[None] | None = None
    hops: Hops | None = None
    failures: int = 0

    @property
    def is_over(self) -> bool:
        """Acknowledged, refused, or its sender has stopped waiting."""
        return self.done is not None and self.done.done()

    def settle(self, error: Exception | None = None) -> None:
        if self.hops is not None:
            self.hops.open -= 1
            if self.hops.open == 0:
                self.hops.settled.set()
            self.hops = None
        if self.done is None or self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
