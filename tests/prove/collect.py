"""Gathers the evidence of a run that has come to rest: the sandbox's books and deliveries, the topics, the figures."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from tests.prove.check.road import ENDS, STEPS, Road, read_road
from tests.prove.cluster import CONNECTION_SETTINGS, REPLICAS, SESSION_SECONDS, SETTINGS, Cluster
from tests.prove.evidence import Evidence
from tests.prove.generate.plan import Json
from tests.prove.history import read_mutations, read_strikes
from tests.prove.log import Log
from tests.prove.nemesis import Nemesis
from tests.prove.resumes import Work, resumes
from tests.prove.samples import Samples
from tests.prove.vendors import FAULTS

_AT_ONCE = 16


async def collect(
    cluster: Cluster,
    log: Log,
    samples: Samples,
    nemesis: Nemesis,
    folder: Path,
    *,
    seed: int,
    minutes: float,
    busy_until: datetime,
    more: Mapping[str, Any],
) -> Evidence:
    """Everything goes into `folder`, where history, journal and samples lie already."""
    await samples.note_offsets("end")
    await log.dump(folder / "topics.jsonl")
    _, answer = await cluster.control("GET", "/shopify/deliveries")
    _write(folder / "deliveries.jsonl", answer["deliveries"])
    await _books(cluster, folder)
    open_doubts = await samples.open_doubts()
    road, strikes = read_road(folder / "topics.jsonl"), list(read_strikes(folder / "history.jsonl"))
    written = resumes(strikes, work(road, ENDS), busy_until.timestamp())
    evidence = Evidence.within(
        folder,
        seed=seed,
        minutes=minutes,
        resumes=resumes(strikes, work(road, ENDS | {"parked"}), busy_until.timestamp()),
        written={kind: spans for kind, spans in written.items() if kind in (*FAULTS, "token")},
        kills=dict(nemesis.kills),
        faults=dict(nemesis.faults),
        poison=[row.details for row in read_mutations(folder / "history.jsonl") if row.poison],
        parked=await _parked(cluster),
        in_doubt={"occurred": len(samples.doubts), "resolved": len(samples.doubts - open_doubts.keys())},
        settings={**_settings(), **more},
    )
    evidence.save(folder)
    return evidence


def work(road: Road, outcomes: Collection[str]) -> Work:
    """When each record came in and first ended in one of `outcomes`, as the checker reads the topics."""
    found = Work()
    for step in STEPS:
        entries = road.entries[step.topic]
        found.arrivals[step.topic] = sorted(entry.at for entry in entries)
        for entry in entries:
            ends = [hop.at for hop in road.of(step.service, entry) if hop.outcome in outcomes]
            if ends:
                found.records[step.group][entry.topic, entry.partition].append((entry.at, min(ends)))
    return found


async def _books(cluster: Cluster, folder: Path) -> None:
    orders = {row.order: row.name for row in read_mutations(folder / "history.jsonl") if row.order}
    slots = asyncio.Semaphore(_AT_ONCE)

    async def read(order: str, name: str) -> Json:
        async with slots:
            _, shop = await cluster.control("GET", f"/shopify/orders/{order}")
            status, store = await cluster.raw("GET", f"/heartland/orders/S-{name.removeprefix('#')}")
        # Amounts are exact as the sandbox wrote them: they go into the file as they are.
        picture = orjson.Fragment(store) if status == 200 else None
        return {"order": order, "name": name, "shopify": shop, "heartland": picture}

    _write(folder / "books.jsonl", await asyncio.gather(*(read(*pair) for pair in orders.items())))


async def _parked(cluster: Cluster) -> list[Json]:
    rows = await cluster.books.fetch(
        "select service, topic, key, entity, state, reason, error_class, waits_for from parked_keys order by key"
    )
    return [dict(row) for row in rows]


def _settings() -> Json:
    return {
        **CONNECTION_SETTINGS,
        "session_timeout_seconds": SESSION_SECONDS,
        "replicas": REPLICAS,
        "order_prefix": "S-",
        "services": dict(SETTINGS),
    }


def _write(path: Path, rows: list[Json]) -> None:
    with path.open("wb") as file:
        file.writelines(orjson.dumps(row) + b"\n" for row in rows)
