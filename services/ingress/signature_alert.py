"""Signature alert: raised when signatures do not match, resolved when they are valid again."""

from __future__ import annotations

import asyncio
from datetime import datetime

from services.ingress.signature_failures import AlertChange, SignatureFailures
from shared.canonical.alert import Alert

_LOOK_SECONDS = 1.0


def alert_of(change: AlertChange, seconds: float, at: datetime) -> Alert:
    """The alert event for a change."""
    reason = (
        "signatures are valid again"
        if change.is_over
        else f"{change.failures} webhooks, within {seconds:.0f} s or in a row, had an invalid signature and were "
        "rejected: the connection's secret is wrong, or somebody forges webhooks; compare it with the app's secret"
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


async def watch(signature_failures: SignatureFailures) -> None:
    """Resolve alerts of connections that have become quiet, until cancelled."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        signature_failures.resolve_quiet()
