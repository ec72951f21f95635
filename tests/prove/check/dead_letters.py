"""Guarantee: the dead letters are exactly the poison records, byte for byte, with all their headers.

Each repairable one was replayed exactly once, with its repaired body, and reached the expected outcome.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.prove.check.report import Violation
from tests.prove.check.run_data import RunData
from tests.prove.check.topic_data import FINAL_OUTCOMES, Position, TopicRecord, digest

Json = dict[str, Any]
DeadLetterId = tuple[str, str]
_REQUIRED_HEADERS = (
    "version", "orig-topic", "orig-partition", "orig-offset", "orig-ts", "orig-key", "reason", "error-class",
    "attempts", "first-failed", "last-failed", "retriable", "replay-count",
)  # fmt: skip


def expected(data: RunData) -> set[DeadLetterId]:
    return {(one["dead_letter"]["service"], one["dead_letter"]["ce_id"]) for one in data.evidence.poison}


def actual(data: RunData) -> dict[DeadLetterId, list[TopicRecord]]:
    """Dead letters by service and event. A crash may leave two equal dead letters of one record."""
    found: defaultdict[DeadLetterId, list[TopicRecord]] = defaultdict(list)
    for dead_letter in data.topic_data.dead_letters:
        found[dead_letter.topic.removeprefix("dlq."), dead_letter.id].append(dead_letter)
    return found


def check(data: RunData) -> Iterator[Violation]:
    wanted, found = expected(data), actual(data)
    for text in (*_missing(wanted, found), *_unexpected(wanted, found), *_changed(data, found), *_replayed(data)):
        yield Violation("dead_letters", text)


def _missing(wanted: set[DeadLetterId], found: dict[DeadLetterId, list[TopicRecord]]) -> Iterator[str]:
    for service, name in sorted(wanted - found.keys()):
        yield f"{service} has no dead letter of the poison record {name}"


def _unexpected(wanted: set[DeadLetterId], found: dict[DeadLetterId, list[TopicRecord]]) -> Iterator[str]:
    for service, name in sorted(found.keys() - wanted):
        dead_letter = found[service, name][0]
        reason = dead_letter.headers.get("x-dlq-reason")
        yield f"{service} dead-lettered {name} of {dead_letter.key}, which was not a poison record: {reason}"


def _changed(data: RunData, found: dict[DeadLetterId, list[TopicRecord]]) -> Iterator[str]:
    originals = {record.position: record for stage in data.stages for record in data.topic_data.records[stage.topic]}
    for dead_letter in (dead_letter for dead_letters in found.values() for dead_letter in dead_letters):
        if lacking := [name for name in _REQUIRED_HEADERS if f"x-dlq-{name}" not in dead_letter.headers]:
            yield f"dead letter {dead_letter} lacks headers: {', '.join(lacking)}"
            continue
        original = originals.get(_origin(data, dead_letter))
        if original is None:
            yield f"dead letter {dead_letter} names the origin {_origin(data, dead_letter)}, where no record is"
        elif original.digest != dead_letter.digest or original.key != dead_letter.key:
            yield f"dead letter {dead_letter} differs from its original {original}"
        elif lost := [name for name, value in original.headers.items() if dead_letter.headers.get(name) != value]:
            yield f"dead letter {dead_letter} lost headers of {original}: {', '.join(lost)}"


def _origin(data: RunData, dead_letter: TopicRecord) -> Position:
    """The position of the original record; the header names its topic with the installation's prefix."""
    hops_at = dead_letter.headers
    topic = next((stage.topic for stage in data.stages if hops_at["x-dlq-orig-topic"].endswith(stage.topic)), "")
    return topic, int(hops_at["x-dlq-orig-partition"]), int(hops_at["x-dlq-orig-offset"])


def _replayed(data: RunData) -> Iterator[str]:
    """Errors in replays: a repairable dead letter must be replayed once, and no other at all."""
    replays: defaultdict[DeadLetterId, list[tuple[TopicRecord, str]]] = defaultdict(list)
    for stage in data.stages:
        for record in data.topic_data.records[stage.topic]:
            if record.headers.get("x-replay-id"):
                ends = [
                    hop.outcome
                    for hop in data.topic_data.hops_of(stage.service, record)
                    if hop.outcome in FINAL_OUTCOMES
                ]
                replays[stage.service, record.headers.get("x-edited-from", "")].append(
                    (record, ends[-1] if ends else "")
                )
    wanted = {(one["dead_letter"]["service"], one["dead_letter"]["ce_id"]): one for one in repairable(data)}
    for name, one in wanted.items():
        if len(replays[name]) != 1:
            yield f"the repaired dead letter {name[1]} was replayed {len(replays[name])} times instead of once"
        for record, end in replays[name]:
            if record.digest != digest(one["repaired"]) or end != one["expected_outcome"]:
                outcome = f"outcome {end or 'none'} instead of {one['expected_outcome']}"
                yield f"replayed {record}: {outcome}, or its body is not the repaired one"
    for name in replays.keys() - wanted.keys():
        yield f"{name[1] or replays[name][0][0]} was replayed although it was not to be repaired"


def repairable(data: RunData) -> list[Json]:
    """The poison records that this run repairs."""
    return [
        one
        for one in data.evidence.poison
        if data.evidence.settings.get("repairs_dead_letters") and one["repaired"] is not None
    ]
