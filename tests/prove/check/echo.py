"""Our own writes cause no writes back: what says the same as what was written last is not written again.

An id that is written into the shop changes the order there, which the shop tells of. A crash between the work and its
note may repeat it, now and then: so a few repetitions are no echo, many are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from operator import attrgetter

from tests.prove.check.case import Case
from tests.prove.check.entity import Entity
from tests.prove.check.report import Violation

_AGAIN = 0.02
# The reconciler, or a person, wants what is written already held against Heartland once more.
_ASKED = frozenset(("drift", "review"))


def check(case: Case) -> Iterator[Violation]:
    for entity in case.entities:
        again = repeated(case, entity)
        allowed = max(3.0, _AGAIN * len(case.lives(entity.subject)))
        if again.total() > allowed:
            examples = ", ".join(f"{key} {count} times" for key, count in again.most_common(3))
            text = f"{again.total()} {entity.plural}' states were written once more unchanged, {allowed:.0f} may be"
            yield Violation("echoed", f"{text}: {examples}")


def repeated(case: Case, entity: Entity) -> Counter[str]:
    """By key, how often its writer applied what it had just applied, unless somebody asked for just that."""
    again: Counter[str] = Counter()
    if not entity.state:
        return again
    states = case.road.entries[entity.state.topic]
    content = {entry.id: entry.content for entry in states}
    asked = {entry.id for entry in states if entry.headers.get("x-cause") in _ASKED}
    applied = [hop for hop in case.road.said(entity.state) if hop.outcome == "applied" and hop.event not in asked]
    last: dict[str, str] = {}
    for hop in sorted(applied, key=attrgetter("finished")):
        this = content[hop.event]
        again[hop.key] += bool(this) and last.get(hop.key) == this
        last[hop.key] = this
    return +again
