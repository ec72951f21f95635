"""Builds and resolves the alert about invalid webhook signatures."""

from __future__ import annotations

import asyncio
from datetime import datetime

from services.ingress.signature_failures import AlertChange, SignatureFailures
from shared.canonical.alert import Alert

_CHECK_SECONDS = 1.0


def alert_of(change: AlertChange, seconds: float, at: datetime) -> Alert:
    """The alert for a change. `seconds` is the window in which failures are counted."""
    reason = (
        "webhook signatures are valid again"
        if change.is_resolved
        else f"{change.failures} webhooks, within {seconds:.0f} s or in a row, had an invalid signature and were "
        "rejected, so their changes arrive late: the connection's secret is wrong, or somebody forges webhooks; "
        "compare the secret with the one in the Shopify app or in the Heartland webhook's URL"
    )
    return Alert(
        kind="signature_failures",
        connection=change.connection,
        service="ingress",
        reason=reason,
        at=at,
        details={"failures": str(change.failures)},
        resolved=change.is_resolved,
    )


async def watch(signature_failures: SignatureFailures) -> None:
    """Resolve alerts of connections that have become quiet, until cancelled."""
    while True:
        await asyncio.sleep(_CHECK_SECONDS)
        signature_failures.resolve_quiet()
