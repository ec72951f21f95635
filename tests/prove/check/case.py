"""One run's evidence, read once for all promises."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.prove.check.entity import Entity, steps_of
from tests.prove.check.road import Road, Step, read_road, seconds
from tests.prove.evidence import Evidence
from tests.prove.history import Mutation, read_mutations, read_rows

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Write:
    """One write that a vendor received. Amounts are exact."""

    number: int
    at: float
    system: str
    operation: str
    path: str
    body: Json
    status: int
    response: Json

    @property
    def applied(self) -> bool:
        return self.status < 300

    def __str__(self) -> str:
        return f"write {self.number} ({self.operation} {self.path})"


@dataclass(frozen=True)
class Case:
    """`mutations` are those of the history in the order in which they were made; `books` are by subject and its id."""

    evidence: Evidence
    entities: Sequence[Entity]
    mutations: list[Mutation]
    deliveries: list[Json]
    writes: list[Write]
    books: dict[str, dict[str, Json]]
    road: Road
    offsets: list[Json]
    memory: list[Json]

    @property
    def parked(self) -> set[tuple[str, str]]:
        """Service and key of what still waits at the end."""
        return {(row["service"], row["key"]) for row in self.evidence.parked}

    @property
    def steps(self) -> tuple[Step, ...]:
        return steps_of(self.entities)

    @property
    def applied(self) -> list[Write]:
        return [write for write in self.writes if write.applied]

    def lives(self, subject: str) -> dict[str, list[Mutation]]:
        """What really happened to each order, or whatever else has lives, in order."""
        lives: dict[str, list[Mutation]] = {}
        for row in self.mutations:
            if row.subject == subject and row.order and row.happened:
                lives.setdefault(row.order, []).append(row)
        return lives


def read_case(evidence: Evidence, entities: Sequence[Entity]) -> Case:
    return Case(
        evidence=evidence,
        entities=entities,
        mutations=sorted(read_mutations(evidence.history), key=lambda row: row.n),
        deliveries=list(read_rows(evidence.deliveries)),
        writes=[_write(row) for row in _exact_rows(evidence.journal)],
        books=_books(evidence.books),
        road=read_road(evidence.topics, steps_of(entities)),
        offsets=list(read_rows(evidence.offsets)),
        memory=list(read_rows(evidence.memory)),
    )


def _books(path: Path) -> dict[str, dict[str, Json]]:
    books: defaultdict[str, dict[str, Json]] = defaultdict(dict)
    for row in _exact_rows(path):
        books[row.get("subject", "order")][row["order"]] = row
    return books


def _exact_rows(path: Path) -> Iterator[Json]:
    """JSON lines whose numbers are decimals: an amount that has been a float is no longer to the cent."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line, parse_float=Decimal)


def _write(row: Json) -> Write:
    body, response = row["body"], row["response"]
    return Write(
        number=row["number"],
        at=seconds(row["at"]),
        system=row["system"],
        operation=row["operation"],
        path=row["path"],
        body=body if isinstance(body, dict) else {},
        status=row["status"],
        response=response if isinstance(response, dict) else {},
    )
