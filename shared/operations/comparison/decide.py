"""What is to become of what was found: wait, repair, or ask a person. Pure.

Two looks, some time apart, must agree before anything is done: most differences are only on their way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from shared.state.drift import Drift

# A repair that changed nothing so often will not.
_MOST_REPAIRS = 3
# Passes follow each other so fast that a cap on each of them would hold nothing.
WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Caps:
    """What may be repaired by itself within `WINDOW`: more is not drift but a disaster, for a person to look at."""

    count: int
    at_risk: Decimal


@dataclass(frozen=True, slots=True)
class Decision:
    """Which rows are repaired, which become reviews, and whether a cap was met."""

    repair: tuple[Drift, ...] = ()
    review: tuple[Drift, ...] = ()
    above_cap: bool = False


def decide(
    rows: Sequence[Drift], now: datetime, look_apart: timedelta, caps: Caps, recent: Sequence[Drift] = ()
) -> Decision:
    """About the rows that a pass has seen. `recent` are those that were repaired within the window."""
    ripe = [row for row in rows if is_ripe(row, now, look_apart)]
    review = [row for row in ripe if not row.repairable or row.repairs >= _MOST_REPAIRS]
    repair = [row for row in ripe if row not in review]
    again = {row.id for row in repair}
    counted = [*repair, *(row for row in recent if row.id not in again)]
    money = sum((row.at_risk for row in counted), Decimal(0))
    if repair and (len(counted) > caps.count or money > caps.at_risk):
        return Decision((), tuple(review), above_cap=True)
    return Decision(tuple(repair), tuple(review))


def is_ripe(row: Drift, now: datetime, look_apart: timedelta) -> bool:
    """Whether it was seen twice, long enough apart; and a repair under way gets as long before the next."""
    if row.state == "open":
        return row.looks >= 2 and row.last_seen - row.first_seen >= look_apart
    if row.state == "repairing":
        return row.looks >= 2 * (row.repairs + 1) and now - row.first_seen >= look_apart * (row.repairs + 1)
    return False
