"""A run in which nothing happened proves nothing: what must have happened at least."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.prove.check.case import Case
from tests.prove.check.once import facts
from tests.prove.check.report import Violation
from tests.prove.check.road import ENDS, STEPS

ACTIONS = ("new", "edit", "pay", "cancel", "ship", "publish")
_SAMPLED = {step.group for step in STEPS}


def seen(case: Case) -> dict[str, int]:
    """What the promises were held against."""
    return {
        "orders": len(case.lives()),
        "changes": sum(row.happened for row in case.mutations),
        "acknowledged webhooks": sum(row["outcome"] == "delivered" for row in case.deliveries),
        "records": sum(len(case.road.entries[step.topic]) for step in STEPS),
        "writes": len(case.writes),
        "payments": facts(case)["payments"],
        "shipments": facts(case)["shipments"],
        "offset samples": len(case.offsets),
        "memory samples": len(case.memory),
    }


def check(case: Case) -> Iterator[Violation]:
    for text in (*_nothing(case), *_unsampled(case)):
        yield Violation("thin", text)


def _nothing(case: Case) -> Iterator[str]:
    done = Counter(row.action for row in case.mutations if row.happened)
    yield from (f"no {action} happened" for action in ACTIONS if not done[action])
    yield from (f"there are no {what}" for what, count in seen(case).items() if not count)
    for step in STEPS:
        ends = sum(
            hop.outcome in ENDS for entry in case.road.entries[step.topic] for hop in case.road.of(step.service, entry)
        )
        if not ends:
            yield f"{step.service} was done with nothing on {step.topic}"


def _unsampled(case: Case) -> Iterator[str]:
    """At the end, everybody has said how far they are."""
    final = {row["group"] for row in case.offsets if row["why"] == "end"}
    yield from (f"nobody asked how far {group} was at the end" for group in sorted(_SAMPLED - final))
