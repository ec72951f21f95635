"""Says that signatures do not match, and when that is over."""

from __future__ import annotations

import asyncio
from datetime import datetime

from services.ingress.forgeries import Change, Forgeries
from shared.canonical.alert import Alert

_LOOK_SECONDS = 1.0


def alert_of(change: Change, seconds: float, at: datetime) -> Alert:
    reason = (
        "no bad signature comes any more"
        if change.is_over
        else f"{change.failures} webhooks, within {seconds:.0f} s or with no good one between, bear a signature that "
        "does not match: somebody forges them, or the connection does not have the sender's secret"
    )
    return Alert(
        kind="signature_failures",
        connection=change.connection,
        service="ingress",
        reason=reason,
        at=at,
        details={"failures": str(change.failures)},
        resolved=change.is_over,
    )


async def watch(forgeries: Forgeries) -> None:
    """Look for what is over, until cancelled."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        forgeries.look()
