"""What a write asks when its turn has come: it may have waited long for that, or this process slept, and meanwhile
another may have taken over what it was about to do.
"""

from __future__ import annotations

from datetime import timedelta

from services.heartland_writer.pending import Pending
from shared.errors import TargetDown
from shared.runtime.clock import Clock
from shared.state.ledger import Claim, Effect, Ledger

# What was made sure of this long ago still holds: whoever takes it over waits longer than that.
FRESH = timedelta(seconds=2)


class Turn:
    """A claim on its way to Heartland. `at` is when its call went out."""

    def __init__(self, ledger: Ledger, clock: Clock, effect: Effect, claim: Claim) -> None:
        self._ledger = ledger
        self._clock = clock
        self._effect = effect
        self.claim = claim
        self.at = clock.now()

    async def check(self) -> None:
        """The claim, renewed if it is old. Raises TargetDown where somebody else took it over."""
        self.at = self._clock.now()
        if self.at - self.claim.sent_at > FRESH:
            self.claim = await renewed(self._ledger, self._effect, self.claim)


async def renewed(ledger: Ledger, effect: Effect, claim: Claim) -> Claim:
    """The same claim with a later time. Raises TargetDown where somebody else took it over, or it is done by now."""
    again = await ledger.again(effect, claim)
    if again.state != "new":
        raise TargetDown(f"{effect.operation} of {effect.key} is being settled elsewhere")
    return again


class Ours:
    """Whether an order is still ours to change. Its lines and taxes leave no claim behind that would tell."""

    def __init__(self, pending: Pending, clock: Clock) -> None:
        self._pending = pending
        self._clock = clock
        self._began = self._asked = clock.now()
        self.lost = False

    async def check(self) -> None:
        """Raises TargetDown where another process took the order over since this began."""
        now = self._clock.now()
        if now - self._asked <= FRESH:
            return
        self.lost = await self._pending.since(self._began) > self._began
        if self.lost:
            raise TargetDown(f"{' '.join(self._pending.about)} was taken over by another process")
        self._asked = now
