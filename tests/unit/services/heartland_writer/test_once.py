"""What the ledger allows to be sent, and when."""

from __future__ import annotations

import pytest

from services.heartland_writer.once import Once
from services.heartland_writer.pending import Pending
from shared.errors import TargetDown
from shared.state.ledger import Effect
from tests.support.ledger import MemoryLedger
from tests.unit.services.heartland_writer.heartland import START, HandClock, Points
from tests.unit.services.heartland_writer.state import MemoryNotes, Stored

PAY = Effect("acme", "heartland", "order", "5001", "payment:1")


class Two:
    """Two processes over one ledger."""

    def __init__(self) -> None:
        self.clock, self.stored, points = HandClock(START), Stored(), Points()
        ledger = MemoryLedger(self.clock, self.stored, points.at)
        self.notes = MemoryNotes(self.stored, ledger, points)
        self.mine, self.theirs = (Once(ledger, self.notes, self.clock) for _ in range(2))  # type: ignore[arg-type]
        self.pending = Pending(("acme", "order", "5001"))
        self.sent: list[str] = []

    async def claim(self) -> None:
        await self.pending.write(self.notes, claims=(PAY,))  # type: ignore[arg-type]

    async def create(self, once: Once, pending: Pending | None = None) -> None:
        async def send() -> int:
            self.sent.append("mine" if once is self.mine else "theirs")
            return 7

        async def find() -> None:
            return None

        await once.create(PAY, send, find, 1.0, pending=pending)


async def test_a_claim_made_with_others_is_used_and_its_outcome_waits() -> None:
    two = Two()
    await two.claim()

    await two.create(two.mine, two.pending)

    assert two.pending.done == [(PAY, 7)]
    assert two.pending.held == {}


async def test_who_waited_too_long_with_a_claim_does_not_send_what_another_took_over() -> None:
    two = Two()
    await two.claim()
    two.clock.pass_seconds(60)
    await two.create(two.theirs)

    with pytest.raises(TargetDown, match="settled elsewhere"):
        await two.create(two.mine, two.pending)

    assert two.sent == ["theirs"]


async def test_who_waited_long_alone_sends_under_a_later_claim() -> None:
    two = Two()
    await two.claim()
    two.clock.pass_seconds(60)

    await two.create(two.mine, two.pending)

    assert two.sent == ["mine"]
    assert two.stored.effects[PAY.id].sent_at == two.clock.now()


async def test_a_claim_that_was_not_used_is_given_back() -> None:
    two = Two()
    await two.claim()

    await two.pending.write(two.notes, give_back=True)  # type: ignore[arg-type]
    await two.create(two.theirs)

    assert two.sent == ["theirs"]
