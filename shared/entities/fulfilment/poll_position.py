"""The position of a poll: cursor, versions published in the overlap, unlinked records. Pure.

The cursor is the newest `updated_at` read, by Heartland's clock. Each poll starts `overlap` before it, since a record
can become visible after a newer one. Records that were published in the overlap are stored with id and version, so that
they are not published twice.
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
    """A record of an order that has no link to a Shopify order yet."""

    at: datetime
    order: str


@dataclass(frozen=True, slots=True)
class PollPosition:
    """`newest` is the cursor: every record with an older `updated_at` was read.

    `published` are the published versions in the overlap, `unlinked` records whose order has no link yet; both by id.
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
            "published": {key: [version.at.isoformat(), version.digest] for key, version in self.published.items()},
            "strangers": {key: [record.at.isoformat(), record.order] for key, record in self.unlinked.items()},
        }

    def since(self, overlap: timedelta) -> datetime:
        """The start of the next poll."""
        return self.newest - overlap

    def is_new(self, record_id: str, version: RecordVersion) -> bool:
        return self.published.get(record_id) != version

    def with_published(self, record_id: str, version: RecordVersion) -> PollPosition:
        return replace(self, published={**self.published, record_id: version})

    def with_unlinked(self, unlinked: Mapping[str, UnlinkedRecord]) -> PollPosition:
        return replace(self, unlinked={**self.unlinked, **unlinked})

    def without_unlinked(self, ids: Iterable[str]) -> PollPosition:
        removed = set(ids)
        kept = {key: record for key, record in self.unlinked.items() if key not in removed}
        return replace(self, unlinked=kept)

    def advanced(self, timestamps: Iterable[datetime], now: datetime) -> PollPosition:
        """The cursor moved to the newest of the `timestamps` that were read.

        A timestamp in the future counts as now: otherwise polls would skip everything until then.
        """
        return replace(self, newest=max([self.newest, *(min(at, now) for at in timestamps)]))

    def trimmed(self, overlap: timedelta, unlinked_at_most: timedelta) -> PollPosition:
        """Without records that no later poll reads, and without unlinked ones older than `unlinked_at_most`."""
        published = {key: version for key, version in self.published.items() if version.at >= self.since(overlap)}
        unlinked = {key: record for key, record in self.unlinked.items() if record.at >= self.newest - unlinked_at_most}
        return PollPosition(self.newest, published, unlinked)
