"""Call context: what a request to a vendor is for.

The clients of both vendors take one with each call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from shared.canonical.priority import Priority

# Runs just before a write is sent, once its turn has come. What it raises keeps the write from being sent.
PreSendCheck = Callable[[], Awaitable[None]]
# Observes one request: operation, outcome, seconds.
Observe = Callable[[str, str, float], None]
# The longest Retry-After that is obeyed: an absurd one must not close an account for a day.
LONGEST_WAIT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class CallContext:
    """Priority, subjects and pre-send check of a request.

    `priority` orders requests that wait for the rate limit. `subjects` are the ids of the records that the request is
    for, so that the circuit breaker can tell a poison record from an outage; empty where it is for none in particular.
    `pre_send_check` verifies the ownership of what a write changes: the request may have waited long for its turn.
    Reads do not run it.
    """

    priority: Priority = "live"
    subjects: frozenset[str] = frozenset()
    pre_send_check: PreSendCheck | None = None

    def checked_by(self, check: PreSendCheck) -> CallContext:
        """The same context with this pre-send check."""
        return replace(self, pre_send_check=check)

    def about(self, *subjects: str) -> CallContext:
        """The same context for these records."""
        return replace(self, subjects=frozenset(subjects))


LIVE = CallContext()
REPAIR = CallContext("repair")
BACKFILL = CallContext("backfill")
