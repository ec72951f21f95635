"""The trace topic carries hops; what a hop is stands in `shared.canonical.hop`."""

from __future__ import annotations

from shared.canonical.hop import OUTCOMES, Hop
from shared.messaging.envelope import Envelope, new_traceparent

__all__ = ["OUTCOMES", "Hop", "hop_envelope"]

TYPE = "tillbridge.trace"


def hop_envelope(hop: Hop) -> Envelope:
    """The hop as an event of its own, in the trace and under the aggregate of the event it tells of."""
    in_a_trace = len(hop.trace_id) == 32
    return Envelope(
        id=f"{hop.event_id}:{hop.service}:{hop.outcome}:{hop.finished_at.timestamp():.6f}",
        source=hop.service,
        type=TYPE,
        time=hop.finished_at,
        connection=hop.connection,
        entity=hop.entity,
        subject=hop.key,
        body=hop.model_dump_json().encode(),
        traceparent=f"00-{hop.trace_id}-{'0' * 15}1-01" if in_a_trace else new_traceparent(),
    )
