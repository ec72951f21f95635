"""An alert: a condition that an operator should know of now, raised once while it lasts."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from shared.canonical.record import CanonicalRecord

Severity = Literal["info", "warning", "critical"]


class Alert(CanonicalRecord):
    """`kind`, `connection`, `entity` and `key` identify the condition: raised again, it is the same alert.

    `kind` is a word such as `dead_letter`, `reason` a sentence, `at` aware UTC. `resolved`: the condition is over.
    Contains no personal data and no secrets.
    """

    kind: str
    connection: str = ""
    entity: str = ""
    key: str = ""
    service: str
    severity: Severity = "warning"
    reason: str
    at: datetime
    details: dict[str, str] = Field(default_factory=dict)
    resolved: bool = False


def dealt_with(kind: str, connection: str, entity: str, key: str, *, service: str, at: datetime) -> Alert:
    """The alert that ends a condition, since an operator resolved it."""
    return Alert(
        kind=kind,
        connection=connection,
        entity=entity,
        key=key,
        service=service,
        reason="an operator resolved it",
        at=at,
        resolved=True,
    )
