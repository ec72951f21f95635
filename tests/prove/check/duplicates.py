"""Guarantee: no duplicates. Each order, payment, line, customer and shipment was accepted by its vendor once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from tests.prove.check.report import Violation
from tests.prove.check.run_data import RunData, Write


def check(data: RunData) -> Iterator[Violation]:
    for text in (
        *_written_again(data),
        *(text for entity in data.entities for text in entity.duplicates(data.applied)),
    ):
        yield Violation("duplicated", text)


def _written_again(data: RunData) -> Iterator[str]:
    found: defaultdict[tuple[str, str], list[Write]] = defaultdict(list)
    for entity in data.entities:
        for what, name, write in entity.facts(data.applied):
            found[what, name].append(write)
    for (what, name), writes in found.items():
        if len(writes) > 1:
            yield f"{what} {name} was written {len(writes)} times: {_listed(writes)}"


def _listed(writes: Iterable[Write]) -> str:
    return ", ".join(map(str, writes))
