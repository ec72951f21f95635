"""Position of a subject's comparison: its sweeps, and the daily full pass that runs between them in slices. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

# At the first start only this period is compared: older records were entered by other means.
_START = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Position:
    """`start`: nothing that changed before is compared. `swept_at`: when the last sweep began.

    A running full pass has reached changes `at` this time and ends at `until`, the time it began. `full_at` is when the
    last completed full pass began.
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

    def sliced(self, go_on: datetime | None) -> Position:
        """The position after one slice of the full pass; `go_on` is where the next one starts, None after the last."""
        if go_on is not None:
            return replace(self, at=go_on)
        return replace(self, at=None, until=None, full_at=self.until)
