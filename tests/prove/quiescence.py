"""Waits until the system is quiescent: no lag, nothing parked, in doubt or still being delivered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from shared.errors import TargetDown
from tests.prove.cluster import RECONCILE_SECONDS, SETTLING_SECONDS, Cluster
from tests.prove.kafka_client import UNREACHABLE, KafkaClient
from tests.prove.samples import Samples

_POLL_SECONDS = 2.0
# Nothing must be pending so many times in a row: a single poll may miss work that is between two topics.
_QUIET_POLLS = 3
_UNDELIVERED = ("waiting", "retrying")


async def wait_until_quiescent(
    cluster: Cluster,
    kafka: KafkaClient,
    samples: Samples,
    seconds: float,
    tell: Callable[[str], None],
    *,
    reconciled: bool = True,
) -> str:
    """Returns "" once quiescent, else after `seconds` what is pending. `reconciled`: also after a comparison."""
    began, quiet, told = time.monotonic(), 0, ""
    while quiet < _QUIET_POLLS:
        left = await pending(cluster, kafka, samples)
        if reconciled and not left:
            left = _before_reconciliation(cluster, time.monotonic() - began)
        quiet = 0 if left else quiet + 1
        if left and left != told:
            tell(f"still pending: {left}")
            told = left
        if left and time.monotonic() - began > seconds:
            return left
        await asyncio.sleep(_POLL_SECONDS)
    return ""


def _before_reconciliation(cluster: Cluster, seconds: float) -> str:
    """A dropped webhook's change is found at the latest by the second comparison after its settling time."""
    if "reconciler" not in cluster.services:
        return ""
    return "the reconciler's comparison" if seconds < SETTLING_SECONDS + 2 * RECONCILE_SECONDS else ""


async def pending(cluster: Cluster, kafka: KafkaClient, samples: Samples) -> str:
    """What is still pending, in words; empty if nothing is."""
    away = [name for name, state in cluster.stack.supervisor.states.items() if state.state != "ready"]
    if away:
        return f"{', '.join(away)} not ready"
    try:
        lag, in_doubt = await kafka.lag(), await samples.currently_in_doubt()
        parked = await cluster.state_db.fetch("select count(*) as keys from parked_keys where state = 'waiting'")
    except (TargetDown, *UNREACHABLE) as error:
        return f"broker or database unreachable ({type(error).__name__})"
    _, answer = await cluster.control("GET", "/shopify/deliveries")
    undelivered = sum(row["outcome"] in _UNDELIVERED for row in answer["deliveries"])
    left = {
        "undelivered webhooks": undelivered,
        **{f"records not yet committed by {group}": count for group, count in lag.items()},
        "parked keys": parked[0]["keys"],
        "effects in doubt": len(in_doubt),
    }
    told = [f"{count} {what}" for what, count in left.items() if count]
    return ", ".join([*told, *list(in_doubt.values())[:3]])
