"""When a run has come to rest: nothing waits anywhere, and nothing will come by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from shared.errors import TargetDown
from tests.prove.cluster import RECONCILE_SECONDS, SETTLING_SECONDS, Cluster
from tests.prove.log import AWAY, Log
from tests.prove.samples import Samples

_LOOK_SECONDS = 2.0
# So often in a row must nothing be left: between two looks something may be under way unseen.
_TIMES = 3
_UNDER_WAY = ("waiting", "retrying")


async def come_to_rest(
    cluster: Cluster,
    log: Log,
    samples: Samples,
    seconds: float,
    tell: Callable[[str], None],
    *,
    compared: bool = True,
) -> str:
    """Returns "" once all is quiet, else after `seconds` what was not. `compared`: and the reconciler has looked."""
    began, quiet, told = time.monotonic(), 0, ""
    while quiet < _TIMES:
        left = await unrest(cluster, log, samples)
        if compared and not left:
            left = _unreconciled(cluster, time.monotonic() - began)
        quiet = 0 if left else quiet + 1
        if left and left != told:
            tell(f"waiting for: {left}")
            told = left
        if left and time.monotonic() - began > seconds:
            return left
        await asyncio.sleep(_LOOK_SECONDS)
    return ""


def _unreconciled(cluster: Cluster, seconds: float) -> str:
    """What a dropped webhook told of is found by the second comparison after it has settled, at the latest."""
    if "reconciler" not in cluster.services:
        return ""
    return "the reconciler to compare" if seconds < SETTLING_SECONDS + 2 * RECONCILE_SECONDS else ""


async def unrest(cluster: Cluster, log: Log, samples: Samples) -> str:
    """What is still to be done, in words; nothing for nothing."""
    away = [name for name, state in cluster.stack.supervisor.states.items() if state.state != "ready"]
    if away:
        return f"{', '.join(away)} to be ready"
    try:
        lag, doubts = await log.lag(), await samples.open_doubts()
        parked = await cluster.books.fetch("select count(*) as keys from parked_keys where state = 'waiting'")
    except (TargetDown, *AWAY) as error:
        return f"broker and database to answer ({type(error).__name__})"
    _, answer = await cluster.control("GET", "/shopify/deliveries")
    under_way = sum(row["outcome"] in _UNDER_WAY for row in answer["deliveries"])
    left = {
        "webhooks": under_way,
        **{f"records of {group}": count for group, count in lag.items()},
        "parked keys": parked[0]["keys"],
        "effects in doubt": len(doubts),
    }
    told = [f"{count} {what}" for what, count in left.items() if count]
    return ", ".join([*told, *list(doubts.values())[:3]])
