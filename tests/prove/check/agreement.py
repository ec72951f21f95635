"""Guarantee: at the end both systems agree to the cent on orders, shipments and the ids that link them.

No generated change needs a person's decision, so an order that the product left to a review counts as disagreeing.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.prove.check.report import Violation
from tests.prove.check.run_data import RunData
from tests.prove.check.topic_data import FINAL_OUTCOMES, Hop


def check(data: RunData) -> Iterator[Violation]:
    for text in (*_differences(data), *(text for entity in data.entities for text in entity.identity_errors(data))):
        yield Violation("disagreeing", text)


def _differences(data: RunData) -> Iterator[str]:
    waiting = awaiting_review(data)
    for subject in dict.fromkeys(entity.subject for entity in data.entities):
        members = [entity for entity in data.entities if entity.subject == subject]
        for name, lifecycle in data.lifecycles(subject).items():
            final = data.final_state[subject].get(name) or {}
            for entity in members:
                reason = waiting.get((entity.name, name))
                review = "" if reason is None else f"; open review: {reason}"
                for text in entity.differences(data, lifecycle, final):
                    yield f"{entity.name} {lifecycle[0].name} ({name}): {text}{review}"


def awaiting_review(data: RunData) -> dict[tuple[str, str], str]:
    """By entity and key, the reason of each review that is its writer's last outcome."""
    last: dict[tuple[str, str], Hop] = {}
    for entity in data.entities:
        for stage in entity.stages:
            for hop in () if stage.output_topic else data.topic_data.hops_at(stage):
                name = entity.name, hop.key.partition("|")[2]
                if hop.outcome in FINAL_OUTCOMES and (name not in last or hop.at > last[name].at):
                    last[name] = hop
    return {name: hop.detail for name, hop in last.items() if hop.outcome == "review"}
