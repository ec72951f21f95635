"""Reads the health and the metrics of services over HTTP."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

_TIMEOUT = aiohttp.ClientTimeout(total=2.0)
_BREAKER = {0: "closed", 1: "half-open", 2: "open"}


@dataclass(frozen=True, slots=True)
class ServiceFigures:
    """Totals over all labels. `breakers` holds those that are not closed; `lag_seconds` is the worst.

    `waiting` calls wait for a vendor's rate limit, by `system/priority`; `throttled` were refused for exceeding it.
    """

    came_in: int = 0
    went_out: int = 0
    failed: int = 0
    parked: int = 0
    lag: int = 0
    lag_seconds: float = 0.0
    dead_letters: int = 0
    in_doubt: int = 0
    rss_mb: float = 0.0
    breakers: Mapping[str, str] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)
    throttled: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceView:
    """`state` is ready, unready or down; `why` names the checks that fail."""

    name: str
    state: str
    why: str = ""
    figures: ServiceFigures | None = None


def read_figures(text: str) -> ServiceFigures:
    """Parse a page of Prometheus metrics."""
    sums: dict[str, float] = defaultdict(float)
    worst: dict[str, float] = defaultdict(float)
    breakers: dict[str, str] = {}
    waiting: dict[str, int] = {}
    throttled: dict[str, int] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] += sample.value
            worst[sample.name] = max(worst[sample.name], sample.value)
            if sample.name == "tillbridge_breaker_state" and sample.value:
                name = f"{sample.labels.get('connection', '')}/{sample.labels.get('system', '')}"
                breakers[name] = _BREAKER.get(int(sample.value), "open")
            if sample.name == "tillbridge_budget_waiting" and sample.value:
                waiting[f"{sample.labels['system']}/{sample.labels['priority']}"] = int(sample.value)
            if sample.name == "tillbridge_throttled_total" and sample.value:
                throttled[sample.labels["system"]] = int(sample.value)
    return ServiceFigures(
        came_in=int(sums["tillbridge_events_in_total"]),
        went_out=int(sums["tillbridge_events_out_total"]),
        failed=int(sums["tillbridge_events_failed_total"]),
        parked=int(sums["tillbridge_parked"]),
        lag=int(sums["tillbridge_lag_messages"]),
        lag_seconds=worst["tillbridge_lag_seconds"],
        dead_letters=int(sums["tillbridge_dead_letters_total"]),
        in_doubt=int(sums["tillbridge_in_doubt"]),
        rss_mb=sums["process_resident_memory_bytes"] / 2**20,
        breakers=breakers,
        waiting=waiting,
        throttled=throttled,
    )


async def read_health(session: aiohttp.ClientSession, entries: Iterable[Mapping[str, Any]]) -> list[ServiceView]:
    """The health of every service, asked concurrently; one that does not answer is down."""
    return list(await asyncio.gather(*(_read_one(session, entry) for entry in entries)))


async def _read_one(session: aiohttp.ClientSession, entry: Mapping[str, Any]) -> ServiceView:
    name = str(entry["name"])
    try:
        async with session.get(entry["health"], timeout=_TIMEOUT) as response:
            ready, answer = response.status == 200, await response.json()
        figures = await _figures(session, entry.get("metrics"))
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return ServiceView(name, "down")
    return ServiceView(name, "ready" if ready else "unready", _failing(answer), figures)


async def _figures(session: aiohttp.ClientSession, url: str | None) -> ServiceFigures | None:
    if not url:
        return None
    async with session.get(url, timeout=_TIMEOUT) as response:
        return read_figures(await response.text())


def _failing(answer: object) -> str:
    checks = answer.get("checks") if isinstance(answer, dict) else None
    if not isinstance(checks, dict):
        return ""
    return ", ".join(name for name, good in checks.items() if not good)
