"""The position of a poll: its cursor, what was published in the overlap, and records of unlinked orders. Pure.

The cursor is Heartland's own clock: the newest `updated_at` seen. Each poll reads again from `overlap` before it, since
a record can become visible after a newer one. What was published in the overlap is remembered by id and version, and
not published twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class RecordVersion:
    """`digest` distinguishes two versions of one second: Heartland's timestamps have no fractions."""

    at: datetime
    digest: str


@dataclass(frozen=True, slots=True)
class UnlinkedRecord:
    """A record of an order that is not linked to an order of Shopify; the link may still come."""

    at: datetime
    order: str


@dataclass(frozen=True, slots=True)
class PollPosition:
    """`newest` is the newest `updated_at` of which everything older was seen.

    `published` has the versions of the overlap by record id, `unlinked` the records whose order has no link yet.
    """

    newest: datetime
    published: Mapping[str, RecordVersion] = field(default_factory=dict)
    unlinked: Mapping[str, UnlinkedRecord] = field(default_factory=dict)

    @classmethod
    def start(cls, now: datetime, lookback: timedelta) -> Self:
        return cls(now - lookback)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        moment = datetime.fromisoformat
        return cls(
            moment(stored["newest"]),
            {key: RecordVersion(moment(at), digest) for key, (at, digest) in stored["published"].items()},
            {key: UnlinkedRecord(moment(at), order) for key, (at, order) in stored["strangers"].items()},
        )

    def stored(self) -> dict[str, Any]:
        return {
            "newest": self.newest.isoformat(),
            "published": {key: [one.at.isoformat(), one.digest] for key, one in self.published.items()},
            "strangers": {key: [one.at.isoformat(), one.order] for key, one in self.unlinked.items()},
        }

    def since(self, overlap: timedelta) -> datetime:
        """From when the next poll reads."""
        return self.newest - overlap

    def is_new(self, record_id: str, version: RecordVersion) -> bool:
        return self.published.get(record_id) != version

    def with_published(self, record_id: str, version: RecordVersion) -> PollPosition:
        return replace(self, published={**self.published, record_id: version})

    def with_unlinked(self, unlinked: Mapping[str, UnlinkedRecord]) -> PollPosition:
        return replace(self, unlinked={**self.unlinked, **unlinked})

    def without_unlinked(self, ids: Iterable[str]) -> PollPosition:
        gone = set(ids)
        return replace(self, unlinked={key: one for key, one in self.unlinked.items() if key not in gone})

    def advanced(self, seen: Iterable[datetime], now: datetime) -> PollPosition:
        """Everything up to the newest of `seen` was read. A timestamp in the future counts as now, or polls would skip
        everything until then.
        """
        return replace(self, newest=max([self.newest, *(min(at, now) for at in seen)]))

    def trimmed(self, overlap: timedelta, patience: timedelta) -> PollPosition:
        """Without what a later poll cannot meet again, and without unlinked records older than `patience`."""
        published = {key: one for key, one in self.published.items() if one.at >= self.since(overlap)}
        unlinked = {key: one for key, one in self.unlinked.items() if one.at >= self.newest - patience}
        return PollPosition(self.newest, published, unlinked)
