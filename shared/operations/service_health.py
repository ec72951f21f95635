"""How each service is: its health answers, and the figures out of its metrics."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

_TIMEOUT = aiohttp.ClientTimeout(total=2.0)
_BREAKER = {0: "closed", 1: "half-open", 2: "open"}


@dataclass(frozen=True, slots=True)
class Figures:
    """Totals over all labels. `breakers` holds those that are not closed; `lag_seconds` is the worst.

    `waiting` are calls that wait for a vendor's limit, by `system/priority`; `throttled` answers refused for our rate.
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
    figures: Figures | None = None


def read_figures(text: str) -> Figures:
    """The figures in a page of metrics."""
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
    return Figures(
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


async def look_at(session: aiohttp.ClientSession, entries: Iterable[Mapping[str, Any]]) -> list[ServiceView]:
    """Every service, asked at the same time; one that does not answer is down."""
    return list(await asyncio.gather(*(_look(session, entry) for entry in entries)))


async def _look(session: aiohttp.ClientSession, entry: Mapping[str, Any]) -> ServiceView:
    name = str(entry["name"])
    try:
        async with session.get(entry["health"], timeout=_TIMEOUT) as response:
            ready, answer = response.status == 200, await response.json()
        figures = await _figures(session, entry.get("metrics"))
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return ServiceView(name, "down")
    return ServiceView(name, "ready" if ready else "unready", _failing(answer), figures)


async def _figures(session: aiohttp.ClientSession, url: str | None) -> Figures | None:
    if not url:
        return None
    async with session.get(url, timeout=_TIMEOUT) as response:
        return read_figures(await response.text())


def _failing(answer: object) -> str:
    checks = answer.get("checks") if isinstance(answer, dict) else None
    if not isinstance(checks, dict):
        return ""
    return ", ".join(name for name, good in checks.items() if not good)


COLUMNS = ("service", "state", "in", "out", "failed", "parked", "lag", "MB")


def row(view: ServiceView) -> Sequence[str]:
    """The service as a line of a table."""
    state = f"{view.state} ({view.why})" if view.why else view.state
    figures = view.figures
    if figures is None:
        return (view.name, state, "", "", "", "", "", "")
    lag = f"{figures.lag} ({figures.lag_seconds:.0f} s)" if figures.lag else "0"
    counts = (figures.came_in, figures.went_out, figures.failed, figures.parked)
    return (view.name, state, *map(str, counts), lag, f"{figures.rss_mb:.0f}")
