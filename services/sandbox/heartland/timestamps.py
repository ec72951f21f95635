"""Timestamps in Heartland's format: UTC, whole seconds, with offset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def parse(text: str) -> str:
    """Converts an ISO 8601 date or time; without an offset it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return stamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def local(text: str, offset_hours: int) -> str:
    """The stores' local time of a timestamp, without an offset."""
    moment = datetime.fromisoformat(text) + timedelta(hours=offset_hours)
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")


def wall(text: str) -> str:
    """Converts an ISO 8601 local time. Raises ValueError."""
    return datetime.fromisoformat(text).replace(tzinfo=None).isoformat(timespec="seconds")
