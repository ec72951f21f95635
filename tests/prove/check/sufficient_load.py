"""Guarantee: the run had enough load, faults and samples for the other guarantees to mean anything.

`required` in the evidence's settings states the minimum: {"orders": 2000, "faults": [kinds], "killed": [services],
"webhooks": {"drop": 0.01, ...}}. It is compared with the history and the deliveries only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.prove.check import memory
from tests.prove.check.report import Violation
from tests.prove.check.run_data import RunData
from tests.prove.check.topic_data import FINAL_OUTCOMES, service_of
from tests.prove.history import MISSED, read_faults

_POISONING = ("poison", "publish")
# Kills of each service in ten minutes.
_KILLS = 5
# Below _COUNTABLE expected hits, chance may leave none; above it, a third of the expected number is required.
_COUNTABLE, _AT_LEAST = 10, 1 / 3


def checked_counts(data: RunData) -> dict[str, int]:
    """How much evidence of each kind was checked."""
    return {
        **{entity.plural: len(data.lifecycles(entity.subject)) for entity in data.entities if entity.has_lifecycle},
        "changes": sum(row.happened for row in data.mutations),
        "acknowledged webhooks": sum(row["outcome"] == "delivered" for row in data.deliveries),
        "records": sum(len(data.topic_data.records[stage.topic]) for stage in data.stages),
        "writes": len(data.writes),
        **{what: count for entity in data.entities for what, count in entity.counts(data.applied).items()},
        "offset samples": len(data.offsets),
        "memory samples": len(data.memory),
    }


def check(data: RunData) -> Iterator[Violation]:
    for text in (*_missing_activity(data), *_missing_samples(data), *_missing_faults(data), *_below_requirements(data)):
        yield Violation("insufficient_load", text)


def _missing_activity(data: RunData) -> Iterator[str]:
    done = {(row.entity, row.action) for row in data.mutations if row.happened}
    wanted = [(entity.name, action) for entity in data.entities for action in entity.actions]
    yield from (
        f"no {entity} {action} happened" for entity, action in (*wanted, _POISONING) if (entity, action) not in done
    )
    yield from (f"the evidence has no {what}" for what, count in checked_counts(data).items() if not count)
    for stage in data.stages:
        ends = sum(
            hop.outcome in FINAL_OUTCOMES
            for record in data.topic_data.records[stage.topic]
            for hop in data.topic_data.hops_of(stage.service, record)
        )
        if not ends:
            yield f"{stage.service} finished no record of {stage.topic}"


def _missing_samples(data: RunData) -> Iterator[str]:
    """Consumer groups without committed offsets at the end, and services whose memory cannot be judged."""
    final = {row["group"] for row in data.offsets if row["why"] == "end"}
    groups = {stage.group for stage in data.stages}
    yield from (f"no committed offsets of {group} were sampled at the end" for group in sorted(groups - final))
    yield from (
        f"no process of {service} ran long enough to judge its memory"
        for service in memory.without_long_lived_process(data)
    )


def _missing_faults(data: RunData) -> Iterator[str]:
    """Required faults that were not injected, or not often enough."""
    required = data.evidence.settings.get("required") or {}
    faults = list(read_faults(data.evidence.history))
    kinds = {fault.fault for fault in faults}
    yield from (f"fault {kind} was never injected" for kind in required.get("faults", ()) if kind not in kinds)
    kills = Counter(service_of(fault.target) for fault in faults if fault.fault == "kill")
    wanted = max(1, int(_KILLS * data.evidence.minutes / 10))
    for service in required.get("killed", ()):
        if kills[service] < wanted:
            yield f"{service} was killed {kills[service]} times instead of {wanted}"
    for fault in faults:
        if fault.fault == MISSED:
            yield f"{fault.target} was not ready from {fault.began} to {fault.healed}, so it could not be killed"


def _below_requirements(data: RunData) -> Iterator[str]:
    """Fewer orders than required, or too few webhooks affected by a fault."""
    required = data.evidence.settings.get("required") or {}
    for entity in data.entities:
        count, wanted = len(data.lifecycles(entity.subject)), required.get(entity.plural, 0)
        if entity.has_lifecycle and count < wanted:
            yield f"{count} {entity.plural} were created instead of {wanted}"
    affected = Counter(row.get("fault", "") for row in data.deliveries)
    for kind, share in required.get("webhooks", {}).items():
        expected = share * len(data.deliveries)
        if expected >= _COUNTABLE and affected[kind] < expected * _AT_LEAST:
            yield f"fault {kind} affected {affected[kind]} webhooks instead of about {expected:.0f}"
