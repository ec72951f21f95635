"""Retry delays: exponential backoff, and a schedule of waits, both with jitter. Pure.

The times are settings: for events LANE_ATTEMPTS and PARK_SCHEDULE_SECONDS (shared/messaging/settings.py), and the
pauses within a lane (ConsumerOptions in shared/messaging/record.py). What an error leads to is decided in
shared/messaging/consumer/error_policy.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Random = Callable[[], float]


def backoff(attempt: int, base: float, cap: float, random: Random) -> float:
    """Seconds before the next try after `attempt` (1, 2, ...) failed.

    Full jitter below base * 2**(attempt-1), capped. `random` gives [0, 1).
    """
    ceiling: float = min(cap, base * 2.0 ** min(attempt - 1, 62))
    return ceiling * random()


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """Waits in seconds, one per further attempt."""

    seconds: tuple[float, ...]

    @classmethod
    def parse(cls, text: str) -> RetrySchedule:
        """From "60,300,900". Raises ValueError for what is not a list of positive numbers."""
        seconds = tuple(float(part) for part in text.split(",") if part.strip())
        if not seconds or any(not wait > 0 for wait in seconds):
            raise ValueError(f"not a list of positive seconds: {text!r}")
        return cls(seconds)

    def wait(self, attempt: int, random: Random) -> float | None:
        """Before attempt number `attempt` + 1, between half and the whole of its wait; None when none is left."""
        if attempt > len(self.seconds):
            return None
        wait = self.seconds[max(0, attempt - 1)]
        return wait * (0.5 + 0.5 * random())
