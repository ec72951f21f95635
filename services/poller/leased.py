"""Decides whether this replica polls a feed now: it must hold the lease, and the feed must be due."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from shared.errors import IntegrationError
from shared.runtime.clock import Clock

Poll = Callable[[str], Awaitable[None]]


class Holds(Protocol):
    """The part of `Leases` used here."""

    async def holds(self, name: str) -> bool: ...
    async def release(self, name: str) -> None: ...


def leased(leases: Holds, feed: str, poll: Poll) -> Poll:
    """Wrap `poll`: it is skipped while another replica holds the lease of the connection's feed.

    The lease only avoids duplicate work: if two replicas poll at once, events are published twice, which is harmless.
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
    """Wrap `poll`: it is skipped for `seconds` after it succeeded in this process.

    The wrapper is called more often than that, so that a new leaseholder polls at once.
    """
    succeeded: dict[str, float] = {}

    async def poll_if_due(connection: str) -> None:
        started = clock.monotonic()
        last = succeeded.get(connection)
        if last is None or started - last >= seconds:
            await poll(connection)
            succeeded[connection] = started

    return poll_if_due
