"""How the operations learns what became of a letter: from the journal, as far as the writer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.canonical.hop import Hop
from shared.operations.dead_letters.dead_letters import DeadLetterOperations, Sent
from shared.operations.dead_letters.resend import again
from shared.runtime.settings import Settings
from tests.support.clock import FakeClock
from tests.support.journal import HOP
from tests.support.messaging import NOON
from tests.unit.shared.operations.dead_letters.letters import a_letter

LETTER = a_letter(1, subject="1001", service="transformers")
SENT = Sent(again(LETTER, "run"))
LATER = NOON + timedelta(hours=1)


def a_hop(service: str, outcome: str, event_id: str = SENT.event_id, lineage: tuple[str, ...] = ()) -> Hop:
    changes = {"service": service, "outcome": outcome, "event_id": event_id, "lineage": lineage}
    return HOP.model_copy(update={**changes, "started_at": LATER, "finished_at": LATER})


@dataclass
class FakeJournal:
    hops: list[Hop] = field(default_factory=list)

    async def of_event(self, event_id: str) -> list[Hop]:
        return [hop for hop in self.hops if hop.event_id == event_id]

    async def answers_to(self, event_id: str, since: datetime) -> list[Hop]:
        return [hop for hop in self.hops if event_id in hop.lineage and hop.finished_at >= since]

    async def story(self, _connection: str | None, _query: str, _linked: object) -> list[Hop]:
        return self.hops


def operations_with(*hops: Hop) -> DeadLetterOperations:
    database: Any = SimpleNamespace(pool=None)
    operations = DeadLetterOperations(cast("Settings", None), database, cast("Any", None), FakeClock(), "ann")
    operations._journal = cast("Any", FakeJournal(list(hops)))
    return operations


async def end(*hops: Hop) -> str | None:
    found = await operations_with(*hops).end_of(SENT, 0.0, asyncio.Event())
    return found.outcome if found else None


@pytest.mark.parametrize("handed_on", ["published", "superseded"])
async def test_what_a_transformer_hands_on_ends_at_the_writer(handed_on: str) -> None:
    midway = a_hop("transformers", handed_on)
    made = ("other", SENT.event_id)

    assert await end(midway) is None
    assert await end(midway, a_hop("heartland_writer", "retrying", "order-1", made)) is None
    assert await end(midway, a_hop("heartland_writer", "dead_letter", "order-1", made)) == "dead_letter"
    assert await end(midway, a_hop("heartland_writer", "applied", "order-2", ("other",))) is None


@pytest.mark.parametrize("outcome", ["dead_letter", "parked", "review"])
async def test_what_a_transformer_cannot_hand_on_ends_there(outcome: str) -> None:
    assert await end(a_hop("transformers", outcome)) == outcome


async def test_a_writers_own_superseded_is_an_end() -> None:
    assert await end(a_hop("heartland_writer", "superseded")) == "superseded"


async def test_an_order_is_known_by_all_its_names() -> None:
    hop = a_hop("heartland_writer", "applied").model_copy(update={"key": "1001", "shopify_id": "1001"})

    assert await operations_with(hop).keys_of("#7") == {"1001", SENT.event_id}
