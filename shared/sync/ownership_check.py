"""What a write asks when its turn has come: it may have waited long for that, or its process slept, and meanwhile
another one may have taken over what it was about to do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from shared.errors import TargetDown
from shared.runtime.clock import Clock
from shared.state.ledger import Claim, Effect, Ledger

# What was made sure of this long ago still holds: whoever takes it over waits longer than that.
FRESH = timedelta(seconds=2)

# Since when no other process works on the record; None where that is not known.
TakenAt = Callable[[], Awaitable[datetime | None]]


class ClaimCheck:
    """A claim on its way to a vendor. `at` is when its call went out."""

    def __init__(self, ledger: Ledger, clock: Clock, effect: Effect, claim: Claim) -> None:
        self._ledger = ledger
        self._clock = clock
        self._effect = effect
        self.claim = claim
        self.at = clock.now()

    async def check(self) -> None:
        """The claim is ours, and renewed if it is old. Raises TargetDown where somebody else took it over."""
        self.at = self._clock.now()
        if self.at - self.claim.sent_at > FRESH:
            self.claim = await renewed(self._ledger, self._effect, self.claim)


async def renewed(ledger: Ledger, effect: Effect, claim: Claim) -> Claim:
    """The same claim with a later time. Raises TargetDown where somebody else took it over, or it is done by now."""
    again = await ledger.again(effect, claim)
    if again.state != "new":
        raise TargetDown(f"{effect.operation} of {effect.key} is being settled elsewhere")
    return again


class OwnershipCheck:
    """Whether a record is still ours to change, for changes that leave no claim behind. Counts from its making."""

    def __init__(self, taken_at: TakenAt | None, clock: Clock) -> None:
        self._taken_at = taken_at
        self._clock = clock
        self._began = self._asked = clock.now()
        self.lost = False

    async def check(self) -> None:
        """Raises TargetDown where another process took the record over since."""
        now = self._clock.now()
        if self._taken_at is None or now - self._asked <= FRESH:
            return
        taken_at = await self._taken_at()
        self.lost = taken_at is not None and taken_at > self._began
        if self.lost:
            raise TargetDown("another process took this over")
        self._asked = now
