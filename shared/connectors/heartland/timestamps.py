"""Heartland's timestamps: UTC, with and without saying so."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shared.connectors.heartland.decimal_json import normalized


def timestamp(value: object) -> datetime:
    """An aware time in UTC. Raises ValueError for what is none."""
    read = datetime.fromisoformat(str(value))
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def changed_at(row: Mapping[str, Any]) -> datetime:
    """When the record last changed: its version. Raises ValueError where it does not say."""
    record = normalized(row)
    return timestamp(record.get("updated_at") or record.get("completed_at"))
