"""Our own writes cause no writes back: what says the same as what was written last is not written again.

An id that is written into the shop changes the order there, which the shop tells of. A crash between the work and its
note may repeat it, now and then: so a few repetitions are no echo, many are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from operator import attrgetter

from tests.prove.check.case import Case
from tests.prove.check.report import Violation

_AGAIN = 0.02
# The reconciler, or a person, wants what is written already held against Heartland once more.
_ASKED = frozenset(("drift", "review"))


def check(case: Case) -> Iterator[Violation]:
    again = repeated(case)
    allowed = max(3.0, _AGAIN * len(case.lives()))
    if again.total() > allowed:
        examples = ", ".join(f"{key} {count} times" for key, count in again.most_common(3))
        text = f"{again.total()} orders' states were written once more unchanged, {allowed:.0f} may be: {examples}"
        yield Violation("echoed", text)


def repeated(case: Case) -> Counter[str]:
    """By key, how often the writer of orders applied what it had just applied, unless somebody asked for just that."""
    states = case.road.entries["canonical.order"]
    content = {entry.id: entry.content for entry in states}
    asked = {entry.id for entry in states if entry.headers.get("x-cause") in _ASKED}
    hops = [hop for found in case.road.hops.values() for hop in found]
    applied = [
        hop for hop in hops if hop.service == "heartland_writer" and hop.outcome == "applied" and hop.event not in asked
    ]
    last: dict[str, str] = {}
    again: Counter[str] = Counter()
    for hop in sorted(applied, key=attrgetter("finished")):
        this = content.get(hop.event, "")
        again[hop.key] += bool(this) and last.get(hop.key) == this
        last[hop.key] = this
    return +again
