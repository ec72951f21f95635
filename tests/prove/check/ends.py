"""Nothing is lost: what was acknowledged is on the road, and every record on the road came to an end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.prove.check.case import Case
from tests.prove.check.report import Violation
from tests.prove.check.road import CLOCKS_APART_SECONDS, ENDS, Entry, Hop, Road, Step


def check(case: Case) -> Iterator[Violation]:
    for text in (
        *_unheard(case),
        *(text for entity in case.entities for text in entity.unheard(case)),
        *_unended(case),
        *_unfollowed(case),
        *_unsucceeded(case),
    ):
        yield Violation("lost", text)


def _unheard(case: Case) -> Iterator[str]:
    """Webhooks that were answered with 2xx, but are on no topic."""
    doors = {entity.doors["webhooks"] for entity in case.entities if "webhooks" in entity.doors}
    there = {entry.id for topic in doors for entry in case.road.entries[topic]}
    for row in case.deliveries:
        if row["outcome"] == "delivered" and row["webhook_id"] not in there:
            name = f"{row['webhook_id']} ({row['topic']} of {row['resource']})"
            yield f"webhook {name} was acknowledged, but is on no topic"


def _unended(case: Case) -> Iterator[str]:
    """Records that no service was ever done with. Parked ones said why on their trace, and are parked yet."""
    for step in case.steps:
        latest = _latest_end(case.road, step)
        for entry in case.road.entries[step.topic]:
            hops = case.road.of(step.service, entry)
            if any(hop.outcome in ENDS for hop in hops):
                continue
            waited = [hop for hop in hops if hop.outcome == "parked"]
            is_parked = bool(waited) and (step.service, entry.key) in case.parked and bool(waited[-1].detail)
            # A state that waits is dropped for the next one of its key; a crash may leave that unsaid.
            is_replaced = waited and step.collapses and latest.get(entry.key, 0.0) > waited[-1].at
            if not (is_parked or is_replaced):
                said = ", ".join(hop.outcome for hop in hops) or "nothing"
                yield f"{step.service} was never done with {entry}: it said {said}"


def still_parked(case: Case) -> list[str]:
    """What waits at the end, with the reason that its last hop gives."""
    said = {
        (service, hop.key): hop.detail for (service, _), hops in case.road.hops.items() for hop in hops
        if hop.outcome == "parked"
    }  # fmt: skip
    return [f"{service} {key}: {said.get((service, key)) or 'nobody said why'}" for service, key in sorted(case.parked)]


def _unfollowed(case: Case) -> Iterator[str]:
    """Records that are said to be published onwards, but that no record further on stands for."""
    for step in case.steps:
        if not step.onwards:
            continue
        there = {name for entry in case.road.entries[step.onwards] for name in entry.lineage}
        for entry in case.road.entries[step.topic]:
            published = any(hop.outcome == "published" for hop in case.road.of(step.service, entry))
            if published and entry.id not in there:
                yield f"{step.service} says that {entry} is published, but {step.onwards} has nothing of it"


def _unsucceeded(case: Case) -> Iterator[str]:
    """Superseded records need one that ended otherwise, at that time or later, or that still waits."""
    for step in case.steps:
        latest = _latest_end(case.road, step)
        for entry in case.road.entries[step.topic]:
            for hop in _superseded(case.road, step, entry):
                is_late = latest.get(entry.key, 0.0) < hop.at - CLOCKS_APART_SECONDS
                if is_late and (step.service, entry.key) not in case.parked:
                    yield f"{step.service} says that {entry} is superseded, but nothing of its key came after"


def _superseded(road: Road, step: Step, entry: Entry) -> list[Hop]:
    ends = [hop for hop in road.of(step.service, entry) if hop.outcome in ENDS]
    return ends[-1:] if ends and all(hop.outcome == "superseded" for hop in ends) else []


def _latest_end(road: Road, step: Step) -> dict[str, float]:
    """By key, when the service was last done with a record otherwise than by superseding it."""
    latest: defaultdict[str, float] = defaultdict(float)
    for entry in road.entries[step.topic]:
        for hop in road.of(step.service, entry):
            if hop.outcome in ENDS and hop.outcome != "superseded":
                latest[entry.key] = max(latest[entry.key], hop.at)
    return latest
