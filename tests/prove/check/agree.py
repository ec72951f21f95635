"""Both systems agree at the end, to the cent: on orders, on what was shipped of them, and on who is who.

Nothing that the generator does has to be decided by a person: where the product left it to one, it still disagrees.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.prove.check.case import Case
from tests.prove.check.report import Violation
from tests.prove.check.road import ENDS, Hop


def check(case: Case) -> Iterator[Violation]:
    for text in (*_differences(case), *(text for entity in case.entities for text in entity.mixed_up(case))):
        yield Violation("disagreeing", text)


def _differences(case: Case) -> Iterator[str]:
    waiting = waiting_for_a_person(case)
    for subject in dict.fromkeys(entity.subject for entity in case.entities):
        members = [entity for entity in case.entities if entity.subject == subject]
        for name, life in case.lives(subject).items():
            book = case.books[subject].get(name) or {}
            for entity in members:
                reason = waiting.get((entity.name, name))
                asked = "" if reason is None else f"; a person was asked: {reason}"
                for text in entity.differences(case, life, book):
                    yield f"{entity.name} {life[0].name} ({name}): {text}{asked}"


def waiting_for_a_person(case: Case) -> dict[tuple[str, str], str]:
    """Why, by entity and key, where the last that its writer said of it is that a person has to decide."""
    last: dict[tuple[str, str], Hop] = {}
    for entity in case.entities:
        for step in entity.steps:
            for hop in () if step.onwards else case.road.said(step):
                name = entity.name, hop.key.partition("|")[2]
                if hop.outcome in ENDS and (name not in last or hop.at > last[name].at):
                    last[name] = hop
    return {name: hop.detail for name, hop in last.items() if hop.outcome == "review"}
