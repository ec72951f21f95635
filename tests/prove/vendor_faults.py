"""Switches vendor faults in the sandbox, whose API takes the whole list of active faults at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.prove.generate.plan import Control

Json = dict[str, Any]

# By kind of fault: the sandbox's own description of it, with the share of calls that it affects.
VENDOR_FAULTS: Final[Mapping[str, Json]] = {
    "throttle": {"kind": "throttle", "rate": 0.3, "retry_after": 1},
    "error_before": {"kind": "error_before", "rate": 0.3},
    "error_after": {"kind": "error_after", "rate": 0.25},
    # Longer than the caller's timeout.
    "timeout_after": {"kind": "timeout_after", "rate": 0.15, "seconds": 4},
    # Shorter than the stated read lag of the connection.
    "stale": {"kind": "stale_reads", "seconds": 2},
    "garbage": {"kind": "garbage", "rate": 0.25},
    "html": {"kind": "html", "rate": 0.3},
    "outage": {"kind": "outage"},
    # For one operation only: used by the mutants' scenarios, never by a random schedule.
    "shipments_fail": {"kind": "error_before", "operation": "CreateFulfilment"},
    "slow_creates": {"kind": "timeout_after", "operation": "POST /api/sales/orders", "rate": 0.5, "seconds": 2},
    "late_reads": {"kind": "stale_reads", "seconds": 9},
    "late_invoices": {"kind": "stale_reads", "operation": "invoices$", "seconds": 4, "every": 2},
    "shipments_in_doubt": {"kind": "error_after", "operation": "CreateFulfilment", "rate": 0.5},
}


def webhook_shares(dropped: float) -> dict[str, float]:
    """The share of webhook deliveries that each fault affects, like Shopify on a bad day."""
    return {"drop": dropped, "delay": 0.01, "duplicate": 0.1, "reorder": 0.1}


def webhook_faults(dropped: float) -> list[Json]:
    shares = webhook_shares(dropped).items()
    faults: list[Json] = [{"system": "webhooks", "kind": kind, "rate": rate} for kind, rate in shares]
    return [fault | {"seconds": 20} if fault["kind"] == "delay" else fault for fault in faults]


class VendorFaults:
    """`hits` counts the calls and deliveries that each kind of fault has affected."""

    def __init__(self, control: Control, always: Sequence[Json]) -> None:
        self._control = control
        self._always = list(always)
        self._active: list[Json] = []
        self._changing = asyncio.Lock()
        self.hits: Counter[str] = Counter()

    async def start(self) -> None:
        await self._apply()

    async def add(self, system: str, kind: str) -> Json:
        fault = {"system": system, **VENDOR_FAULTS[kind]}
        self._active.append(fault)
        await self._apply()
        return fault

    async def remove(self, fault: Json) -> None:
        self._active = [other for other in self._active if other is not fault]
        await self._apply()

    async def heal(self) -> None:
        """Removes every fault, including those of webhook deliveries."""
        self._active, self._always = [], []
        await self._apply()

    async def _apply(self) -> None:
        async with self._changing:
            _, before = await self._control("GET", "/faults", None)
            for fault in before["faults"]:
                self.hits[f"{fault['system']} {fault['kind']}"] += fault["hits"]
            await self._control("POST", "/faults", {"faults": [*self._active, *self._always]})
