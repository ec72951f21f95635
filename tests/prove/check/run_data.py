"""One run's evidence, parsed once for all guarantees."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.prove.check.entity import Entity, stages_of
from tests.prove.check.topic_data import Stage, TopicData, read_topic_data, seconds
from tests.prove.evidence import Evidence
from tests.prove.history import Mutation, read_mutations, read_rows

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Write:
    """One write request that a vendor received. Amounts are exact decimals."""

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
class RunData:
    """`mutations` are in the order in which they were made; `final_state` is by subject and its id."""

    evidence: Evidence
    entities: Sequence[Entity]
    mutations: list[Mutation]
    deliveries: list[Json]
    writes: list[Write]
    final_state: dict[str, dict[str, Json]]
    topic_data: TopicData
    offsets: list[Json]
    memory: list[Json]

    @property
    def parked(self) -> set[tuple[str, str]]:
        """Service and key of each key that is still parked at the end."""
        return {(row["service"], row["key"]) for row in self.evidence.parked}

    @property
    def stages(self) -> tuple[Stage, ...]:
        return stages_of(self.entities)

    @property
    def applied(self) -> list[Write]:
        return [write for write in self.writes if write.applied]

    def lifecycles(self, subject: str) -> dict[str, list[Mutation]]:
        """By id, the changes that happened to each order (or other subject), in order."""
        lifecycles: dict[str, list[Mutation]] = {}
        for row in self.mutations:
            if row.subject == subject and row.order and row.happened:
                lifecycles.setdefault(row.order, []).append(row)
        return lifecycles


def read_run_data(evidence: Evidence, entities: Sequence[Entity]) -> RunData:
    return RunData(
        evidence=evidence,
        entities=entities,
        mutations=sorted(read_mutations(evidence.history), key=lambda row: row.n),
        deliveries=list(read_rows(evidence.deliveries)),
        writes=[_write(row) for row in _exact_rows(evidence.journal)],
        final_state=_read_final_state(evidence.final_state),
        topic_data=read_topic_data(evidence.topics, stages_of(entities)),
        offsets=list(read_rows(evidence.offsets)),
        memory=list(read_rows(evidence.memory)),
    )


def _read_final_state(path: Path) -> dict[str, dict[str, Json]]:
    final_state: defaultdict[str, dict[str, Json]] = defaultdict(dict)
    for row in _exact_rows(path):
        final_state[row.get("subject", "order")][row["order"]] = row
    return final_state


def _exact_rows(path: Path) -> Iterator[Json]:
    """JSON Lines with numbers as decimals, since amounts are compared to the cent."""
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
