"""Guarantee: nothing is lost. Acknowledged input is on a topic, and every record reaches a final outcome."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.prove.check.report import Violation
from tests.prove.check.run_data import RunData
from tests.prove.check.topic_data import CLOCK_SKEW_SECONDS, FINAL_OUTCOMES, Hop, Stage, TopicData, TopicRecord


def check(data: RunData) -> Iterator[Violation]:
    for text in (
        *_unpublished_webhooks(data),
        *(text for entity in data.entities for text in entity.missing_inputs(data)),
        *_unfinished(data),
        *_without_output(data),
        *_superseded_by_nothing(data),
    ):
        yield Violation("lost", text)


def _unpublished_webhooks(data: RunData) -> Iterator[str]:
    """Webhooks that were acknowledged with 2xx but are on no topic."""
    entry_points = {entity.entry_points["webhooks"] for entity in data.entities if "webhooks" in entity.entry_points}
    there = {record.id for topic in entry_points for record in data.topic_data.records[topic]}
    for row in data.deliveries:
        if row["outcome"] == "delivered" and row["webhook_id"] not in there:
            name = f"{row['webhook_id']} ({row['topic']} of {row['resource']})"
            yield f"webhook {name} was acknowledged but is on no topic"


def _unfinished(data: RunData) -> Iterator[str]:
    """Records without a final outcome. A parked record is fine if it is still parked and its hop has a reason."""
    for stage in data.stages:
        latest = _latest_end(data.topic_data, stage)
        for record in data.topic_data.records[stage.topic]:
            hops = data.topic_data.hops_of(stage.service, record)
            if any(hop.outcome in FINAL_OUTCOMES for hop in hops):
                continue
            parked = [hop for hop in hops if hop.outcome == "parked"]
            is_parked = bool(parked) and (stage.service, record.key) in data.parked and bool(parked[-1].detail)
            # A waiting state is superseded by the next one of its key; a crash may lose the hop that says so.
            is_replaced = parked and stage.collapses and latest.get(record.key, 0.0) > parked[-1].at
            if not (is_parked or is_replaced):
                outcomes = ", ".join(hop.outcome for hop in hops) or "none"
                yield f"{stage.service} never finished {record}: outcomes {outcomes}"


def still_parked(data: RunData) -> list[str]:
    """The keys parked at the end, with the reason given by their last hop."""
    reasons = {
        (service, hop.key): hop.detail for (service, _), hops in data.topic_data.hops.items() for hop in hops
        if hop.outcome == "parked"
    }  # fmt: skip
    return [
        f"{service} {key}: {reasons.get((service, key)) or 'no reason given'}" for service, key in sorted(data.parked)
    ]


def _without_output(data: RunData) -> Iterator[str]:
    """Records whose hop says `published`, but which no record on the output topic has in its lineage."""
    for stage in data.stages:
        if not stage.output_topic:
            continue
        there = {name for record in data.topic_data.records[stage.output_topic] for name in record.lineage}
        for record in data.topic_data.records[stage.topic]:
            published = any(hop.outcome == "published" for hop in data.topic_data.hops_of(stage.service, record))
            if published and record.id not in there:
                yield f"{stage.service} says that it published {record}, but {stage.output_topic} has no record of it"


def _superseded_by_nothing(data: RunData) -> Iterator[str]:
    """A superseded record needs a later record of its key with another outcome, or one that is still parked."""
    for stage in data.stages:
        latest = _latest_end(data.topic_data, stage)
        for record in data.topic_data.records[stage.topic]:
            for hop in _superseding_hops(data.topic_data, stage, record):
                is_last = latest.get(record.key, 0.0) < hop.at - CLOCK_SKEW_SECONDS
                if is_last and (stage.service, record.key) not in data.parked:
                    yield f"{stage.service} says that {record} is superseded, but no later one of its key was finished"


def _superseding_hops(topic_data: TopicData, stage: Stage, record: TopicRecord) -> list[Hop]:
    ends = [hop for hop in topic_data.hops_of(stage.service, record) if hop.outcome in FINAL_OUTCOMES]
    return ends[-1:] if ends and all(hop.outcome == "superseded" for hop in ends) else []


def _latest_end(topic_data: TopicData, stage: Stage) -> dict[str, float]:
    """By key, when the service last finished a record with an outcome other than `superseded`."""
    latest: defaultdict[str, float] = defaultdict(float)
    for record in topic_data.records[stage.topic]:
        for hop in topic_data.hops_of(stage.service, record):
            if hop.outcome in FINAL_OUTCOMES and hop.outcome != "superseded":
                latest[record.key] = max(latest[record.key], hop.at)
    return latest
