"""Collects the evidence of a quiescent run: the vendors' final state, deliveries, topics and figures."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from tests.prove.check.entities import ENTITIES
from tests.prove.check.entity import Entity, stages_of
from tests.prove.check.topic_data import FINAL_OUTCOMES, TopicData, read_topic_data
from tests.prove.cluster import CONNECTION_SETTINGS, REPLICAS, SESSION_SECONDS, SETTINGS, Cluster
from tests.prove.evidence import Evidence
from tests.prove.fault_injector import FaultInjector
from tests.prove.generate.generator import Generator
from tests.prove.generate.plan import Control, Json, Raw
from tests.prove.history import Mutation, read_faults, read_mutations
from tests.prove.kafka_client import KafkaClient
from tests.prove.recovery import ProcessingTimes, recoveries, recovery_times
from tests.prove.samples import Samples
from tests.prove.vendor_faults import VENDOR_FAULTS

_CONCURRENT_READS = 16


async def collect(
    cluster: Cluster,
    kafka: KafkaClient,
    samples: Samples,
    fault_injector: FaultInjector,
    folder: Path,
    generators: Sequence[Generator],
    *,
    seed: int,
    minutes: float,
    busy_until: datetime,
    more: Mapping[str, Any],
) -> Evidence:
    """Writes the evidence to `folder`, which already has history, journal and samples."""
    await samples.note_offsets("end")
    await kafka.dump(folder / "topics.jsonl")
    _, answer = await cluster.control("GET", "/shopify/deliveries")
    _write(folder / "deliveries.jsonl", answer["deliveries"])
    mutations = list(read_mutations(folder / "history.jsonl"))
    _write(folder / "final_state.jsonl", await read_final_state(mutations, cluster.control, cluster.raw, generators))
    evidence = Evidence.within(
        folder,
        seed=seed,
        minutes=minutes,
        **_recovery(folder, busy_until.timestamp()),
        kills=dict(fault_injector.kills),
        faults=dict(fault_injector.faults),
        poison=[row.details for row in mutations if row.poison],
        parked=await _parked(cluster),
        in_doubt=await _in_doubt(samples),
        settings={**_settings(), **more},
    )
    evidence.save(folder)
    return evidence


def _recovery(folder: Path, until: float) -> dict[str, dict[str, list[float]]]:
    """The evidence's `resume_seconds`, `resume_seconds_overlapped` and `resume_seconds_to_write`."""
    topic_data, faults = read_topic_data(folder / "topics.jsonl", ()), list(read_faults(folder / "history.jsonl"))
    resumed: defaultdict[bool, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in recoveries(faults, processing_times(topic_data, FINAL_OUTCOMES | {"parked"}), until):
        resumed[one.overlapped][one.fault.fault].append(one.seconds)
    to_write = recovery_times(faults, processing_times(topic_data, FINAL_OUTCOMES), until)
    of_vendors = {kind: spans for kind, spans in to_write.items() if kind in (*VENDOR_FAULTS, "token")}
    return {
        "resume_seconds": dict(resumed[False]),
        "resume_seconds_overlapped": dict(resumed[True]),
        "resume_seconds_to_write": of_vendors,
    }


async def _in_doubt(samples: Samples) -> dict[str, int]:
    still = await samples.currently_in_doubt()
    ever = samples.ever_in_doubt
    return {"occurred": len(ever), "resolved": len(ever - still.keys())}


def processing_times(
    topic_data: TopicData, outcomes: Collection[str], entities: Iterable[Entity] = ENTITIES
) -> ProcessingTimes:
    """When each record arrived and first reached one of `outcomes`, as the checker reads the topics."""
    found = ProcessingTimes()
    for stage in stages_of(entities):
        records = topic_data.records[stage.topic]
        found.arrivals[stage.topic] = sorted(record.at for record in records)
        for record in records:
            ends = [hop.at for hop in topic_data.hops_of(stage.service, record) if hop.outcome in outcomes]
            if ends:
                found.records[stage.group][record.topic, record.partition].append((record.at, min(ends)))
    return found


async def read_final_state(
    mutations: Iterable[Mutation], control: Control, raw: Raw, generators: Iterable[Generator]
) -> list[Json]:
    """One row for each subject that the history names, read from the sandbox."""
    readers = {one.subject: one.read for one in generators if one.read}
    names = {(row.subject, row.order): row.name for row in mutations if row.order and row.subject in readers}
    slots = asyncio.Semaphore(_CONCURRENT_READS)

    async def read(subject: str, order: str, name: str) -> Json:
        async with slots:
            state = await readers[subject](order, name, control, raw)
        return {"subject": subject, "order": order, "name": name, **state}

    return await asyncio.gather(*(read(*one, name) for one, name in names.items()))


async def _parked(cluster: Cluster) -> list[Json]:
    rows = await cluster.state_db.fetch(
        "select service, topic, key, entity, state, reason, error_class, waits_for from parked_keys order by key"
    )
    return [dict(row) for row in rows]


def _settings() -> Json:
    heartland = CONNECTION_SETTINGS["heartland"]
    return {
        "read_lag_seconds": heartland["read_lag_seconds"],
        "note_field": heartland["order"]["note_field"],
        "session_timeout_seconds": SESSION_SECONDS,
        "replicas": REPLICAS,
        "order_prefix": "S-",
        "services": dict(SETTINGS),
    }


def _write(path: Path, rows: list[Json]) -> None:
    with path.open("wb") as file:
        file.writelines(orjson.dumps(row) + b"\n" for row in rows)
