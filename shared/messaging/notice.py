"""Notices: events on raw topics.

A notice says that a record changed at its vendor, or is to be read and written again.

Webhooks (ingress), polls (poller), gaps in the webhooks (poller), differences (reconciler), decided reviews (command
line) and replayed dead letters all enter the raw topics as notices, so that one path writes them all. They live in
messaging, not in `canonical`, since a notice is an Envelope. Ingress writes the same headers without an Envelope, for
speed (services/ingress/notice.py; a test compares the two).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from shared.messaging.envelope import CAUSE, DEFINITIONS, PRIORITY, Envelope, new_traceparent

# Why there is a notice that no vendor sent: webhooks were missing (`gap`), the reconciler found a difference (`drift`),
# a person decided a review (`review`), a dead letter is sent again (`replay`), or records are to be written with
# changed definitions (`definitions`).
RepairCause = Literal["gap", "drift", "review", "replay", "definitions"]


def notice(
    *,
    event_id: str,
    source: str,
    kind: str,
    time: datetime,
    connection: str,
    entity: str,
    subject: str,
    body: bytes = b"{}",
    extra: Mapping[str, str] | None = None,
) -> Envelope:
    """A notice, with a trace of its own. `kind` is its CloudEvents type; see Envelope for the others."""
    return Envelope(
        id=event_id,
        source=source,
        type=kind,
        time=time,
        connection=connection,
        entity=entity,
        subject=subject,
        body=body,
        traceparent=new_traceparent(),
        extra=extra or {},
    )


def asked_for(cause: RepairCause, definitions_version: int = 0) -> dict[str, str]:
    """The headers of a notice that no vendor sent: its priority, and why it is there.

    `definitions_version` is for the cause `definitions`: the version to write with. That may concern every record there
    is, so it waits behind repairs.
    """
    headers = {PRIORITY: "backfill" if cause == "definitions" else "repair", CAUSE: cause}
    return headers | {DEFINITIONS: str(definitions_version)} if definitions_version else headers
