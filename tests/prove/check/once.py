"""No fact is applied twice: each order, payment, line, customer and shipment was written once, say the vendors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from tests.prove.check.case import Case, Write
from tests.prove.check.report import Violation


def check(case: Case) -> Iterator[Violation]:
    for text in (*_written_again(case), *(text for entity in case.entities for text in entity.doubled(case.applied))):
        yield Violation("duplicated", text)


def _written_again(case: Case) -> Iterator[str]:
    found: defaultdict[tuple[str, str], list[Write]] = defaultdict(list)
    for entity in case.entities:
        for what, name, write in entity.facts(case.applied):
            found[what, name].append(write)
    for (what, name), writes in found.items():
        if len(writes) > 1:
            yield f"{what} {name} was written {len(writes)} times: {_listed(writes)}"


def _listed(writes: Iterable[Write]) -> str:
    return ", ".join(map(str, writes))
