"""Repairs enter the one road as notices: the writers do the writing, from what the vendors then hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.messaging.envelope import Envelope, new_traceparent
from shared.messaging.topics import Topic
from shared.state.drift import Drift


@dataclass(frozen=True, slots=True)
class Notice:
    """What asks for a repair. `covers` is the record that comes to be written as a whole, if it does: then one notice
    is enough for all that differs of it.
    """

    topic: Topic
    event: Envelope
    covers: str = ""


def event(
    row: Drift, now: datetime, *, source: str, kind: str, entity: str, body: bytes = b"{}", part: str = ""
) -> Envelope:
    """The same for the same repair. `part` tells several of one repair apart."""
    name = f"repair:{row.id}:{row.repairs + 1}"
    return Envelope(
        id=f"{name}:{part}" if part else name,
        source=source,
        type=kind,
        time=now,
        connection=row.connection,
        entity=entity,
        subject=row.key,
        body=body,
        traceparent=new_traceparent(),
        extra={"x-priority": "repair", "x-cause": "drift"},
    )
