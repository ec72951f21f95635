"""How far a subject was compared: by sweeps, and by the full pass of the day, which goes on between them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

# Before we first came, nothing is compared but this: the merchant has entered the rest by other means.
_START = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Position:
    """`start`: nothing from before it is compared. `swept_at`: when the last sweep began.

    A full pass under way is `at` a time of change, and ends at `until`, when it began; `full_at` is when the last one
    began that came to its end.
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
        """From when on a sweep reads."""
        return self.start if self.swept_at is None else max(self.start, self.swept_at - overlap)

    def swept(self, began: datetime) -> Position:
        return replace(self, swept_at=began)

    def full_pass(self, now: datetime, every: timedelta, reach: timedelta) -> Position:
        """With a full pass under way, if one is or is due."""
        last = self.full_at or self.start
        if self.at is not None or now - last < every:
            return self
        return replace(self, at=max(self.start, now - reach), until=now)

    def sliced(self, go_on: datetime | None) -> Position:
        """One more slice of the full pass is compared; without `go_on` it was the last."""
        if go_on is not None:
            return replace(self, at=go_on)
        return replace(self, at=None, until=None, full_at=self.until)
