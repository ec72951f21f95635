"""Outages: which vendors are down for which connections, and since when. Pure.

Records whose vendor is down wait in memory for a while, then they are parked: in the database they take no memory and
hold no watermark, so other connections' records of the same partition continue.
"""

from __future__ import annotations

from shared.errors import IntegrationError, TargetDown
from shared.messaging.lanes.lane import Lane


class Outages:
    """`patience` is in seconds; `now` a monotonic clock's."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: dict[tuple[str, str], float] = {}

    def failed(self, connection: str, target: str, now: float) -> bool:
        """Record that a call met its vendor down. True once the outage has lasted too long to wait in memory."""
        return now - self._since.setdefault((connection, target), now) >= self._patience

    def is_own(self, lane: Lane, error: IntegrationError, now: float) -> bool:
        """Record the error of a lane's first record. True if the vendor fails this record only: no outage.

        That is: since it first failed this record, the vendor has answered another one well, and still fails this one.
        """
        if not isinstance(error, TargetDown) or not error.target:
            return False
        if lane.down_since is None:
            lane.down_since = now
        if error.well_at is None or error.well_at <= lane.down_since:
            return False
        if lane.alone_since is None:
            lane.alone_since = now
        return now - lane.alone_since >= self._patience / 2

    def succeeded(self, connection: str) -> None:
        """Record a success of the connection: its vendors are up."""
        if self._since:
            self._since = {place: since for place, since in self._since.items() if place[0] != connection}

    def down(self) -> list[tuple[str, str]]:
        """Connections and vendors that are down, sorted."""
        return sorted(self._since)


def awaits(target: str) -> str:
    """The name that a key waits for when an outage parked it."""
    return f"target:{target}"


def is_outage(waits_for: str | None) -> bool:
    return waits_for is not None and waits_for.startswith("target:")
