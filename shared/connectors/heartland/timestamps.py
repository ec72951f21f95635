"""Heartland's timestamps: in UTC, with or without an offset."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shared.connectors.heartland.decimal_json import normalized


def timestamp(value: object) -> datetime:
    """The aware time in UTC. Raises ValueError if it is not a timestamp."""
    parsed = datetime.fromisoformat(str(value))
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def changed_at(row: Mapping[str, Any]) -> datetime:
    """When the record last changed: its version. Raises ValueError if it has no such timestamp."""
    record = normalized(row)
    return timestamp(record.get("updated_at") or record.get("completed_at"))
