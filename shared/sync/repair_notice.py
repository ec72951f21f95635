"""Repair notices: a repair enters the raw topic like any change, and its record is read back again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.messaging.envelope import Envelope
from shared.messaging.notice import asked_for, notice
from shared.messaging.topics import Topic
from shared.state.drift import Drift


@dataclass(frozen=True, slots=True)
class RepairNotice:
    """A notice that asks for a repair, and its topic.

    `covers` is the key of the record that it has written as a whole, empty for a part: one notice is then enough for
    all differences of that record.
    """

    topic: Topic
    event: Envelope
    covers: str = ""


def repair_event(
    row: Drift, now: datetime, *, source: str, kind: str, entity: str, body: bytes = b"{}", part: str = ""
) -> Envelope:
    """The notice of a repair, with the same id each time.

    `part` distinguishes several notices of one repair.
    """
    name = f"repair:{row.id}:{row.repairs + 1}"
    return notice(
        event_id=f"{name}:{part}" if part else name,
        source=source,
        kind=kind,
        time=now,
        connection=row.connection,
        entity=entity,
        subject=row.key,
        body=body,
        extra=asked_for("drift"),
    )
