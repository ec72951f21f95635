"""When this replica polls: what it holds the lease of, and what is due."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from shared.errors import IntegrationError
from shared.runtime.clock import Clock

Poll = Callable[[str], Awaitable[None]]


class Holds(Protocol):
    """What is used of `Leases`."""

    async def holds(self, name: str) -> bool: ...
    async def release(self, name: str) -> None: ...


def leased(leases: Holds, feed: str, poll: Poll) -> Poll:
    """`poll`, where this replica holds the feed of the connection; nothing where another one does.

    The lease spares double work and nothing else: two that poll at once publish twice, which is harmless.
    """

    async def poll_if_ours(connection: str) -> None:
        name = f"{feed}|{connection}"
        if await leases.holds(name):
            try:
                await poll(connection)
            except IntegrationError:
                await leases.release(name)
                raise

    return poll_if_ours


def spaced(seconds: float, clock: Clock, poll: Poll) -> Poll:
    """`poll` so many seconds after it last succeeded; asked more often, so that a new holder need not wait."""
    succeeded: dict[str, float] = {}

    async def poll_if_due(connection: str) -> None:
        started = clock.monotonic()
        last = succeeded.get(connection)
        if last is None or started - last >= seconds:
            await poll(connection)
            succeeded[connection] = started

    return poll_if_due
