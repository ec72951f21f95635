"""Decides about each difference: wait, repair, or open a review. Pure.

Two comparisons, some time apart, must find it before anything is done: most differences are events still in flight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from shared.state.drift import Drift

# After so many repairs without effect, a person has to look at it.
_MAX_REPAIRS = 3
# Passes are frequent, so a cap per pass would limit nothing.
WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits of automatic repairs within `WINDOW`.

    More points to a fault that a person must look at first.
    """

    count: int
    at_risk: Decimal


@dataclass(frozen=True, slots=True)
class Decision:
    """Which rows are repaired, which become reviews, and whether a cap was exceeded."""

    repair: tuple[Drift, ...] = ()
    review: tuple[Drift, ...] = ()
    above_cap: bool = False


def decide(
    rows: Sequence[Drift], now: datetime, look_apart: timedelta, caps: Caps, recent: Sequence[Drift] = ()
) -> Decision:
    """Decide about the rows that a pass has found. `recent` are those repaired within the window."""
    ripe = [row for row in rows if is_ripe(row, now, look_apart)]
    review = [row for row in ripe if not row.repairable or row.repairs >= _MAX_REPAIRS]
    repair = [row for row in ripe if row not in review]
    again = {row.id for row in repair}
    counted = [*repair, *(row for row in recent if row.id not in again)]
    money = sum((row.at_risk for row in counted), Decimal(0))
    if repair and (len(counted) > caps.count or money > caps.at_risk):
        return Decision((), tuple(review), above_cap=True)
    return Decision(tuple(repair), tuple(review))


def is_ripe(row: Drift, now: datetime, look_apart: timedelta) -> bool:
    """Whether it was found twice, `look_apart` apart.

    After a repair, whether that has had as long to take effect.
    """
    if row.state == "open":
        return row.looks >= 2 and row.last_seen - row.first_seen >= look_apart
    if row.state == "repairing":
        return row.looks >= 2 * (row.repairs + 1) and now - row.first_seen >= look_apart * (row.repairs + 1)
    return False
