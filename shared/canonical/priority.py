"""Priorities of work: live before repair before backfill."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

Priority = Literal["live", "repair", "backfill"]
PRIORITIES: tuple[Priority, ...] = ("live", "repair", "backfill")
# How much each priority wants of a limit: 1.0 is all that it allows.
Demand = Mapping[Priority, float]


def most_urgent(priorities: Iterable[Priority]) -> Priority:
    """The most urgent of these priorities; live if there are none."""
    return min(priorities, key=PRIORITIES.index, default="live")
