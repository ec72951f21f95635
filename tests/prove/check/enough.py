"""A run in which nothing happened proves nothing: what must have happened at least.

`asked` among the evidence's settings says what the run was to be: {"orders": 2000, "faults": [kinds], "killed":
[services], "webhooks": {"drop": 0.01, ...}}. Whether it was is told from history and deliveries alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.prove.check import memory
from tests.prove.check.case import Case
from tests.prove.check.report import Violation
from tests.prove.check.road import ENDS, service_of
from tests.prove.history import MISSED, read_strikes

_POISONING = ("poison", "publish")
# Of each service, in ten minutes.
_KILLS = 5
# Fewer than that may miss all deliveries by chance, and so may a third of what is to be expected.
_COUNTABLE, _AT_LEAST = 10, 1 / 3


def seen(case: Case) -> dict[str, int]:
    """What the promises were held against."""
    return {
        **{entity.plural: len(case.lives(entity.subject)) for entity in case.entities if entity.has_lives},
        "changes": sum(row.happened for row in case.mutations),
        "acknowledged webhooks": sum(row["outcome"] == "delivered" for row in case.deliveries),
        "records": sum(len(case.road.entries[step.topic]) for step in case.steps),
        "writes": len(case.writes),
        **{what: count for entity in case.entities for what, count in entity.counts(case.applied).items()},
        "offset samples": len(case.offsets),
        "memory samples": len(case.memory),
    }


def check(case: Case) -> Iterator[Violation]:
    for text in (*_nothing(case), *_unsampled(case), *_unstruck(case), *_few(case)):
        yield Violation("thin", text)


def _nothing(case: Case) -> Iterator[str]:
    done = {(row.entity, row.action) for row in case.mutations if row.happened}
    wanted = [(entity.name, action) for entity in case.entities for action in entity.actions]
    yield from (f"no {action} happened" for entity, action in (*wanted, _POISONING) if (entity, action) not in done)
    yield from (f"there are no {what}" for what, count in seen(case).items() if not count)
    for step in case.steps:
        ends = sum(
            hop.outcome in ENDS for entry in case.road.entries[step.topic] for hop in case.road.of(step.service, entry)
        )
        if not ends:
            yield f"{step.service} was done with nothing on {step.topic}"


def _unsampled(case: Case) -> Iterator[str]:
    """At the end, everybody has said how far they are."""
    final = {row["group"] for row in case.offsets if row["why"] == "end"}
    groups = {step.group for step in case.steps}
    yield from (f"nobody asked how far {group} was at the end" for group in sorted(groups - final))
    yield from (
        f"no process of {service} lived long enough to show whether it grows" for service in memory.unseen(case)
    )


def _unstruck(case: Case) -> Iterator[str]:
    """Faults that were asked for and did not come, or not often enough."""
    asked = case.evidence.settings.get("asked") or {}
    strikes = list(read_strikes(case.evidence.history))
    kinds = {strike.strike for strike in strikes}
    yield from (f"no {kind} struck" for kind in asked.get("faults", ()) if kind not in kinds)
    kills = Counter(service_of(strike.target) for strike in strikes if strike.strike == "kill")
    wanted = max(1, int(_KILLS * case.evidence.minutes / 10))
    for service in asked.get("killed", ()):
        if kills[service] < wanted:
            yield f"{service} was killed {kills[service]} times instead of {wanted}"
    for strike in strikes:
        if strike.strike == MISSED:
            yield f"{strike.target} was not at work from {strike.began} to {strike.healed}, so it could not be killed"


def _few(case: Case) -> Iterator[str]:
    """Fewer orders than were asked for, or hardly a webhook that was hurt."""
    asked = case.evidence.settings.get("asked") or {}
    for entity in case.entities:
        count, wanted = len(case.lives(entity.subject)), asked.get(entity.plural, 0)
        if entity.has_lives and count < wanted:
            yield f"{count} {entity.plural} were placed instead of {wanted}"
    hurt = Counter(row.get("fault", "") for row in case.deliveries)
    for kind, share in asked.get("webhooks", {}).items():
        expected = share * len(case.deliveries)
        if expected >= _COUNTABLE and hurt[kind] < expected * _AT_LEAST:
            yield f"{kind} hit {hurt[kind]} webhooks instead of about {expected:.0f}"
