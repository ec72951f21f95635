"""What the clients of both vendors have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

# Operation, outcome, seconds.
Observe = Callable[[str, str, float], None]
# Asked just before a write goes out. What it raises keeps the write from going out.
Before = Callable[[], Awaitable[None]]
# A wait that was made up shall not close an account for a day.
LONGEST_WAIT_SECONDS = 3600.0
