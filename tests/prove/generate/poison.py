"""Poison records: records that can never succeed, published as a faulty program would; each must become a dead letter.

Some dead letters are repaired at the end, as an operator would. Their order exists nowhere else in the system, so it is
in the final state if and only if the repaired record was written. Each generator defines its own kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

import orjson

from shared.messaging.envelope import Envelope, new_traceparent
from shared.messaging.topics import Topic
from tests.prove.generate.plan import Json

# Order numbers that the load does not use.
FIRST_NUMBER = 900_001


@dataclass(frozen=True, slots=True)
class PoisonKind:
    """A kind of poison record.

    `repaired` is a body with which the record succeeds, `expected_outcome` its outcome then; None if only the sender
    could repair it. `make` (kind, seconds, seed, number, connection) builds a kind whose records differ.
    """

    name: str
    topic: Topic
    service: str
    entity: str
    type: str
    body: bytes = b""
    repaired: bytes | None = None
    expected_outcome: str = ""
    make: Callable[[PoisonKind, float, int, int, str], Poison] | None = None


@dataclass(frozen=True, slots=True)
class Poison:
    """One poison record. `document` is created in the shop before the record is repaired, if it has a subject."""

    at: float
    kind: PoisonKind
    envelope: Envelope
    document: Json = field(default_factory=dict)

    @property
    def dead_letter(self) -> Json:
        """What identifies its dead letter."""
        key = self.envelope.key.decode()
        return {"service": self.kind.service, "topic": self.kind.topic.name, "key": key, "ce_id": self.envelope.id}

    @property
    def details(self) -> Json:
        repaired = None if self.kind.repaired is None else orjson.loads(self.kind.repaired)
        return {
            "kind": self.kind.name,
            "dead_letter": self.dead_letter,
            "repaired": repaired,
            "expected_outcome": self.kind.expected_outcome,
            "entity": self.kind.entity,
            "document": self.document,
        }


def plan(seed: int, connection: str, count: int, seconds: float, kinds: Iterable[PoisonKind]) -> list[Poison]:
    """Poison records of every kind in turn, spread over the time."""
    random, ordered = Random(f"poison/{seed}"), by_stage(kinds)
    moments = [(n + random.random()) * seconds / count for n in range(count)]
    return [_made(ordered[n % len(ordered)], at, seed, n, connection) for n, at in enumerate(moments)]


def by_stage(kinds: Iterable[PoisonKind]) -> Sequence[PoisonKind]:
    """The kinds ordered: those with records of their own first, then by stage of the pipeline."""
    return sorted(kinds, key=lambda kind: (kind.make is None, not kind.topic.name.startswith("raw.")))


def _made(kind: PoisonKind, at: float, seed: int, n: int, connection: str) -> Poison:
    if kind.make:
        return kind.make(kind, at, seed, n, connection)
    return Poison(at, kind, _envelope(kind, connection, name_of(seed, n)))


def name_of(seed: int, n: int) -> str:
    return f"poison-{seed}-{n}"


def _envelope(kind: PoisonKind, connection: str, name: str) -> Envelope:
    return Envelope(
        id=name,
        source="proof",
        type=kind.type,
        time=datetime.now(UTC),
        connection=connection,
        entity=kind.entity,
        subject=name,
        body=kind.body,
        traceparent=new_traceparent(),
    )
