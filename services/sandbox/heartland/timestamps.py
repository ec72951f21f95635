"""Moments as Heartland writes them: UTC, to the second, with an offset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def parse(text: str) -> str:
    """A date or a moment in any ISO spelling, as a stamp; without an offset it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return stamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def local(text: str, offset_hours: int) -> str:
    """The stores' wall clock at a stamp, without an offset."""
    moment = datetime.fromisoformat(text) + timedelta(hours=offset_hours)
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")


def wall(text: str) -> str:
    """A wall clock's time in any ISO spelling. Raises ValueError."""
    return datetime.fromisoformat(text).replace(tzinfo=None).isoformat(timespec="seconds")
