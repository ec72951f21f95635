"""Guarantee: no echoes. A state with the same content as the last written one is not written again.

Writing an id into the shop changes the order there and causes a webhook. A crash between a write and the note of its
version may repeat the write, so a small number of repetitions is allowed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from operator import attrgetter

from tests.prove.check.entity import Entity
from tests.prove.check.report import Violation
from tests.prove.check.run_data import RunData

_ALLOWED_SHARE = 0.02
# The reconciler or a person asked to compare the written state with Heartland again.
_REQUESTED = frozenset(("drift", "review"))


def check(data: RunData) -> Iterator[Violation]:
    for entity in data.entities:
        again = repeated(data, entity)
        allowed = max(3.0, _ALLOWED_SHARE * len(data.lifecycles(entity.subject)))
        if again.total() > allowed:
            examples = ", ".join(f"{key} {count} times" for key, count in again.most_common(3))
            text = f"{again.total()} unchanged states of {entity.plural} were written again; allowed are {allowed:.0f}"
            yield Violation("echoed", f"{text}: {examples}")


def repeated(data: RunData, entity: Entity) -> Counter[str]:
    """By key, how often its writer applied the content that it had applied last, unless that was requested."""
    again: Counter[str] = Counter()
    if not entity.state:
        return again
    states = data.topic_data.records[entity.state.topic]
    content = {record.id: record.content for record in states}
    requested = {record.id for record in states if record.headers.get("x-cause") in _REQUESTED}
    applied = [
        hop for hop in data.topic_data.hops_at(entity.state) if hop.outcome == "applied" and hop.event not in requested
    ]
    last: dict[str, str] = {}
    for hop in sorted(applied, key=attrgetter("finished")):
        this = content[hop.event]
        again[hop.key] += bool(this) and last.get(hop.key) == this
        last[hop.key] = this
    return +again
