"""How far the comparison of a subject has come: its sweeps and its full passes. Pure.

A sweep compares what changed lately, every few minutes. A full pass compares everything, once a day, in slices that run
between sweeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

# At the first start only this period is compared: older records were not written by this system.
_START = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Position:
    """The stored position of one subject of one connection.

    Records that changed before `start` are never compared. `swept_at` is when the last sweep began, `full_at` when the
    last completed full pass began. While a full pass runs, records that changed before `at` are done, and `until`, the
    time at which the pass began, is its end.
    """

    start: datetime
    swept_at: datetime | None = None
    full_at: datetime | None = None
    at: datetime | None = None
    until: datetime | None = None

    @classmethod
    def begin(cls, now: datetime) -> Self:
        return cls(now - _START)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**{name: datetime.fromisoformat(text) for name, text in stored.items() if name in cls.__slots__})

    def stored(self) -> dict[str, str]:
        moments = {name: getattr(self, name) for name in self.__slots__}
        return {name: moment.isoformat() for name, moment in moments.items() if moment is not None}

    def since(self, overlap: timedelta) -> datetime:
        """The time from which the next sweep reads changes."""
        return self.start if self.swept_at is None else max(self.start, self.swept_at - overlap)

    def swept(self, began: datetime) -> Position:
        return replace(self, swept_at=began)

    def full_pass(self, now: datetime, every: timedelta, reach: timedelta) -> Position:
        """The position with a full pass started, if one is due and none is running."""
        last = self.full_at or self.start
        if self.at is not None or now - last < every:
            return self
        return replace(self, at=max(self.start, now - reach), until=now)

    def sliced(self, continue_at: datetime | None) -> Position:
        """The position after a slice of the full pass.

        The next slice starts at `continue_at`, which is None after the last slice.
        """
        if continue_at is not None:
            return replace(self, at=continue_at)
        return replace(self, at=None, until=None, full_at=self.until)
