"""Events of the alert topic. The alert itself is defined in `shared.canonical.alert`."""

from __future__ import annotations

from shared.canonical.alert import Alert
from shared.messaging.envelope import Envelope, new_traceparent

__all__ = ["Alert", "alert_envelope"]

TYPE = "tillbridge.alert"


def alert_envelope(alert: Alert) -> Envelope:
    """The alert as an event; one condition has one key, so that its alerts stay in order."""
    name = f"{alert.kind}:{alert.entity}:{alert.key}"
    return Envelope(
        id=f"{name}:{alert.service}:{'resolved' if alert.resolved else 'raised'}:{alert.at.timestamp():.6f}",
        source=alert.service,
        type=TYPE,
        time=alert.at,
        connection=alert.connection,
        entity=alert.entity,
        subject=name,
        body=alert.model_dump_json().encode(),
        traceparent=new_traceparent(),
    )
