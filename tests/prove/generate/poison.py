"""Records that can never work, put on the topics as a faulty program would: each must end as one dead letter.

Some are repaired in the end, as an operator would. What nothing else knows of is then in the books if, and only if, its
repaired letter is written. The kinds are the entities' own: see their generators.
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

# Numbers that nothing of the load has.
FIRST_NUMBER = 900_001


@dataclass(frozen=True, slots=True)
class Kind:
    """`repaired` is a body with which the same record works, and `ends` how it ends then; None where only its sender
    could repair it. `make`, of kind, moment, seed, number and connection, where each is a record of its own.
    """

    name: str
    topic: Topic
    service: str
    entity: str
    type: str
    body: bytes = b""
    repaired: bytes | None = None
    ends: str = ""
    make: Callable[[Kind, float, int, int, str], Poison] | None = None


@dataclass(frozen=True, slots=True)
class Poison:
    """`document` is what the shop gets when the record is repaired, where it is the record of something."""

    at: float
    kind: Kind
    envelope: Envelope
    document: Json = field(default_factory=dict)

    @property
    def letter(self) -> Json:
        """How its dead letter is known."""
        key = self.envelope.key.decode()
        return {"service": self.kind.service, "topic": self.kind.topic.name, "key": key, "ce_id": self.envelope.id}

    @property
    def details(self) -> Json:
        repaired = None if self.kind.repaired is None else orjson.loads(self.kind.repaired)
        return {
            "kind": self.kind.name,
            "letter": self.letter,
            "repaired": repaired,
            "ends": self.kind.ends,
            "entity": self.kind.entity,
            "document": self.document,
        }


def plan(seed: int, connection: str, count: int, seconds: float, kinds: Iterable[Kind]) -> list[Poison]:
    """Every kind in turn, spread over the time."""
    random, turns = Random(f"poison/{seed}"), in_turn(kinds)
    moments = [(n + random.random()) * seconds / count for n in range(count)]
    return [_made(turns[n % len(turns)], at, seed, n, connection) for n, at in enumerate(moments)]


def in_turn(kinds: Iterable[Kind]) -> Sequence[Kind]:
    """Records of their own first, then along the road."""
    return sorted(kinds, key=lambda kind: (kind.make is None, not kind.topic.name.startswith("raw.")))


def _made(kind: Kind, at: float, seed: int, n: int, connection: str) -> Poison:
    if kind.make:
        return kind.make(kind, at, seed, n, connection)
    return Poison(at, kind, _envelope(kind, connection, name_of(seed, n)))


def name_of(seed: int, n: int) -> str:
    return f"poison-{seed}-{n}"


def _envelope(kind: Kind, connection: str, name: str) -> Envelope:
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
