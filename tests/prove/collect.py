"""Gathers the evidence of a run that has come to rest: the sandbox's books and deliveries, the topics, the figures."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from tests.prove.check.entities import ENTITIES
from tests.prove.check.entity import Entity, steps_of
from tests.prove.check.road import ENDS, Road, read_road
from tests.prove.cluster import CONNECTION_SETTINGS, REPLICAS, SESSION_SECONDS, SETTINGS, Cluster
from tests.prove.evidence import Evidence
from tests.prove.generate.generator import Generator
from tests.prove.generate.plan import Control, Json, Raw
from tests.prove.history import Mutation, read_mutations, read_strikes
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
    generators: Sequence[Generator],
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
    mutations = list(read_mutations(folder / "history.jsonl"))
    _write(folder / "books.jsonl", await books(mutations, cluster.control, cluster.raw, generators))
    open_doubts = await samples.open_doubts()
    road, strikes = read_road(folder / "topics.jsonl", ()), list(read_strikes(folder / "history.jsonl"))
    written = resumes(strikes, work(road, ENDS), busy_until.timestamp())
    evidence = Evidence.within(
        folder,
        seed=seed,
        minutes=minutes,
        resumes=resumes(strikes, work(road, ENDS | {"parked"}), busy_until.timestamp()),
        written={kind: spans for kind, spans in written.items() if kind in (*FAULTS, "token")},
        kills=dict(nemesis.kills),
        faults=dict(nemesis.faults),
        poison=[row.details for row in mutations if row.poison],
        parked=await _parked(cluster),
        in_doubt={"occurred": len(samples.doubts), "resolved": len(samples.doubts - open_doubts.keys())},
        settings={**_settings(), **more},
    )
    evidence.save(folder)
    return evidence


def work(road: Road, outcomes: Collection[str], entities: Iterable[Entity] = ENTITIES) -> Work:
    """When each record came in and first ended in one of `outcomes`, as the checker reads the topics."""
    found = Work()
    for step in steps_of(entities):
        entries = road.entries[step.topic]
        found.arrivals[step.topic] = sorted(entry.at for entry in entries)
        for entry in entries:
            ends = [hop.at for hop in road.of(step.service, entry) if hop.outcome in outcomes]
            if ends:
                found.records[step.group][entry.topic, entry.partition].append((entry.at, min(ends)))
    return found


async def books(
    mutations: Iterable[Mutation], control: Control, raw: Raw, generators: Iterable[Generator]
) -> list[Json]:
    """A row of each subject that the history names."""
    readers = {one.subject: one.read for one in generators if one.read}
    names = {(row.subject, row.order): row.name for row in mutations if row.order and row.subject in readers}
    slots = asyncio.Semaphore(_AT_ONCE)

    async def read(subject: str, order: str, name: str) -> Json:
        async with slots:
            book = await readers[subject](order, name, control, raw)
        return {"subject": subject, "order": order, "name": name, **book}

    return await asyncio.gather(*(read(*one, name) for one, name in names.items()))


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
