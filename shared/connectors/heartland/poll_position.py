"""A feed's position: where to read from, what was published already, what may yet be ours. Pure.

The cursor is Heartland's own clock: the newest `updated_at` seen. A poll reads again from `overlap` before it, since
a record can become visible after one that is younger; what was published in that window is remembered by id and
version and not published twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Version:
    """`digest` tells two versions of the same second apart: Heartland's stamps have no fractions."""

    at: datetime
    digest: str


@dataclass(frozen=True, slots=True)
class Stranger:
    """A record of an order that is not linked to one of Shopify's: it may be linked yet."""

    at: datetime
    order: str


@dataclass(frozen=True, slots=True)
class Position:
    """`newest` is the newest `updated_at` of which everything older was seen.

    `published` has the versions of the overlap by record id, `strangers` the records that belong to nobody so far.
    """

    newest: datetime
    published: Mapping[str, Version] = field(default_factory=dict)
    strangers: Mapping[str, Stranger] = field(default_factory=dict)

    @classmethod
    def start(cls, now: datetime, lookback: timedelta) -> Self:
        return cls(now - lookback)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        moment = datetime.fromisoformat
        return cls(
            moment(stored["newest"]),
            {key: Version(moment(at), digest) for key, (at, digest) in stored["published"].items()},
            {key: Stranger(moment(at), order) for key, (at, order) in stored["strangers"].items()},
        )

    def stored(self) -> dict[str, Any]:
        return {
            "newest": self.newest.isoformat(),
            "published": {key: [one.at.isoformat(), one.digest] for key, one in self.published.items()},
            "strangers": {key: [one.at.isoformat(), one.order] for key, one in self.strangers.items()},
        }

    def since(self, overlap: timedelta) -> datetime:
        """From when the next poll reads."""
        return self.newest - overlap

    def is_new(self, record_id: str, version: Version) -> bool:
        return self.published.get(record_id) != version

    def with_published(self, record_id: str, version: Version) -> Position:
        return replace(self, published={**self.published, record_id: version})

    def with_strangers(self, strangers: Mapping[str, Stranger]) -> Position:
        return replace(self, strangers={**self.strangers, **strangers})

    def without_strangers(self, ids: Iterable[str]) -> Position:
        gone = set(ids)
        return replace(self, strangers={key: one for key, one in self.strangers.items() if key not in gone})

    def advanced(self, seen: Iterable[datetime], now: datetime) -> Position:
        """Everything up to the newest of `seen` was read. A stamp of the future must not make the feed deaf until
        then, so it counts as now.
        """
        return replace(self, newest=max([self.newest, *(min(at, now) for at in seen)]))

    def trimmed(self, overlap: timedelta, patience: timedelta) -> Position:
        """Without what a later poll cannot meet again, and without strangers older than `patience`."""
        published = {key: one for key, one in self.published.items() if one.at >= self.since(overlap)}
        strangers = {key: one for key, one in self.strangers.items() if one.at >= self.newest - patience}
        return Position(self.newest, published, strangers)
