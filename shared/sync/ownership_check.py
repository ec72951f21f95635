"""Ownership check: run just before a write goes out, to prove that no other process has taken it over.

A request may have waited long for its turn, or its process slept; meanwhile another process may own the partition, or
may have taken the claim over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

from shared.errors import TargetDown
from shared.limits.call_context import PreSendCheck
from shared.runtime.clock import Clock
from shared.state.ledger import Claim, Effect, Ledger

# How long a proof of ownership is valid: a process that takes over waits longer than that.
FRESH = timedelta(seconds=2)

# Since when no other process works on the record; None where that is not known.
TakenAt = Callable[[], Awaitable[datetime | None]]


class OwnershipLost(TargetDown):
    """Another process took the record or the claim over: this one must not write."""


class Ownership(Protocol):
    """What is owned, and how that is proven."""

    async def prove(self) -> None:
        """Raises OwnershipLost where another process owns it by now, TargetDown without a database."""
        ...


class OwnershipCheck:
    """The pre-send check of one record's writes.

    `checked_at` is when it ran last: when the request went out.
    """

    def __init__(self, ownership: Ownership, clock: Clock, proven_at: datetime | None = None) -> None:
        self._ownership = ownership
        self._clock = clock
        self._proven_at = proven_at or clock.now()
        self.checked_at = clock.now()
        self.lost = False

    async def check(self) -> None:
        """Prove the ownership again if the last proof is no longer fresh. Raises OwnershipLost, TargetDown."""
        self.checked_at = self._clock.now()
        if self.checked_at - self._proven_at <= FRESH:
            return
        try:
            await self._ownership.prove()
        except OwnershipLost:
            self.lost = True
            raise
        self._proven_at = self.checked_at


class PartitionOwnership:
    """Ownership of a record by its partition, for changes that leave no claim.

    Counts from when this is built.
    """

    def __init__(self, taken_at: TakenAt | None, clock: Clock) -> None:
        self._taken_at = taken_at
        self._began = clock.now()

    async def prove(self) -> None:
        """The partition was not assigned anew since. Without `taken_at`, no other process can own the record."""
        taken_at = await self._taken_at() if self._taken_at is not None else None
        if taken_at is not None and taken_at > self._began:
            raise OwnershipLost("another process took this record over")


class ClaimOwnership:
    """Ownership of a claim on its way to a vendor. `claim` is the one that holds now."""

    def __init__(self, ledger: Ledger, effect: Effect, claim: Claim) -> None:
        self._ledger = ledger
        self._effect = effect
        self.claim = claim

    async def prove(self) -> None:
        """Renew the claim: the same one with a later time."""
        again = await self._ledger.again(self._effect, self.claim)
        if again.state != "new":
            raise OwnershipLost(f"{self._effect.operation} of {self._effect.key} is being settled elsewhere")
        self.claim = again


def both(first: PreSendCheck | None, second: PreSendCheck) -> PreSendCheck:
    """Runs two checks: for a change with a claim that another process's newer change may overtake."""

    async def check() -> None:
        if first is not None:
            await first()
        await second()

    return check
