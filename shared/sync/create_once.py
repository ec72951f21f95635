"""Create once, over crashes, timeouts and replicas: claim before the call, look up when in doubt.

Neither vendor's creates are idempotent. So an effect is claimed in the ledger before its call is sent, and its outcome
is stored after it. A claim without an outcome is in doubt: it is looked up, and sent again only once a look-up would
show it. The same holds for changes that must not be repeated, such as those that a customer is told of.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.errors import OutcomeUnknown, Rejected, RetryLater, TargetDown
from shared.limits.call_context import PreSendCheck
from shared.runtime.clock import Clock
from shared.state.atomic_write import Intent
from shared.state.ledger import Claim, Effect, Ledger
from shared.sync.ownership_check import FRESH, ClaimOwnership, OwnershipCheck
from shared.sync.unit_of_work import UnitOfWork

# Makes the call, and runs what it is given just before the request goes out. The vendor's id of what was made; None
# where the vendor does not say it.
Send = Callable[[PreSendCheck], Awaitable[str | None]]
# Looks the record up by what we know it by. Its id; None where there is none to be seen.
Find = Callable[[], Awaitable[str | None]]

_REMEMBERED = 1000
# How soon, at least, what another process may be making is looked for again.
_LOOK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ReadLag:
    """How late reads show a create: `seconds` after its call is over.

    `call_seconds` is for what processes may create side by side, the partition's owner or not: how long a call of
    another process may be under way. None for what only the partition's owner creates.
    """

    seconds: float
    call_seconds: float | None = None

    @property
    def after_claim(self) -> float:
        """How many seconds after its claim a create shows in reads at the latest."""
        return self.seconds if self.call_seconds is None else self.seconds + FRESH.total_seconds() + self.call_seconds


@dataclass(frozen=True, slots=True)
class Created:
    """`id` at the vendor.

    `found`: it was there already, with whatever hangs on it; `sent_at` is when it was sent.
    """

    id: str
    found: bool
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class CreateHistory:
    """When the last create was sent, and the claims of those whose outcome is unknown, by operation."""

    last_sent: datetime | None
    in_doubt: Mapping[str, Claim]


class CreateOnce:
    """Sends each create once, by the ledger. Knows no vendor.

    A look-up that finds nothing proves something only when the lag is over since the call could last have been sent: by
    this process, or by the one before it, of which we only know that it ended before we started.
    """

    def __init__(self, ledger: Ledger, clock: Clock, started_at: datetime | None = None) -> None:
        self._ledger = ledger
        self._clock = clock
        self._started_at = started_at or clock.now()
        # Claims whose call by this process is over, without an answer: nothing of it is under way any more.
        self._over: dict[str, datetime] = {}

    async def __call__(
        self,
        effect: Effect,
        send: Send,
        find: Find,
        lag: ReadLag,
        *,
        work: UnitOfWork | None = None,
        intent: Intent | None = None,
    ) -> Created:
        """The record's id, made by `send` or found. Raises what these raise; OutcomeUnknown asks for a retry.

        With `work`, a claim held there is used, and the outcome is stored with the work instead of at once. `intent` is
        kept with the claim, and with the outcome.
        """
        claim = await (self._ledger.claim(effect, intent) if work is None else work.claimed(effect, intent))
        if claim.state == "done":
            return Created(created_id(claim), True, claim.sent_at)
        if claim.state == "in_doubt":
            found = await self._look_up(effect, claim, find, lag, work)
            if found is not None:
                return found
        made = await self._send(effect, claim, send, find)
        result = {**(intent or {}), "id": made.id}
        if work is None:
            await self._ledger.done(effect, result)
        else:
            work.done[effect] = result
        return made

    async def settle(self, effect: Effect, claim: Claim, find: Find, lag: ReadLag, work: UnitOfWork) -> Created | None:
        """Settle a claim in doubt whose call is not to be repeated as it was.

        Find what it made, or give it back.

        None where it was certainly not made. Raises TargetDown while that cannot be told.
        """
        found = await self._look_up(effect, claim, find, lag, work)
        if found is None:
            # Of two processes that did not find it, one may have sent it again by now: only who still sees the same
            # claim may give it back.
            ownership = ClaimOwnership(self._ledger, effect, claim)
            await ownership.prove()
            await self._ledger.failed(effect, "looked up: it was not made", ownership.claim)
        return found

    async def seen(self, effect: Effect, made: str) -> None:
        """The record was found without asking the ledger: a create that was in doubt is so no longer."""
        claim = (await self._ledger.of_key(effect.connection, effect.entity, effect.key)).get(effect.operation)
        if claim is not None and claim.state == "in_doubt":
            await self._ledger.done(effect, {**(claim.result or {}), "id": made})

    async def history(self, connection: str, entity: str, key: str) -> CreateHistory:
        """What was created for this aggregate, by whichever process."""
        claims = await self._ledger.of_key(connection, entity, key)
        return CreateHistory(
            last_sent=max((claim.sent_at for claim in claims.values()), default=None),
            in_doubt={operation: claim for operation, claim in claims.items() if claim.state == "in_doubt"},
        )

    def must_show(self, made: Created, lag: ReadLag) -> bool:
        """Whether a look-up now shows what is known to be made, by whichever process."""
        return self._clock.now() - made.sent_at >= timedelta(seconds=lag.after_claim)

    async def _look_up(
        self, effect: Effect, claim: Claim, find: Find, lag: ReadLag, work: UnitOfWork | None
    ) -> Created | None:
        """What a call in doubt made; None where it was certainly not made.

        Raises TargetDown while that is unknown.
        """
        sent_at = claim.sent_at if work is None else await work.last_sent(claim.sent_at)
        looked_at = self._clock.now()
        found = await find()
        if found is not None:
            await self._ledger.done(effect, {**(claim.result or {}), "id": found})
            return Created(found, True, claim.sent_at)
        wait = self._unsettled_seconds(effect, claim, sent_at, lag, looked_at)
        if wait > 0:
            # It may show, or be settled by the process that sends it, long before it must.
            vendor = effect.system.capitalize()
            raise TargetDown(
                f"{effect.operation} of {effect.key} is in doubt and cannot be seen in {vendor} yet",
                min(wait, max(lag.seconds, _LOOK_SECONDS)),
            )
        return None

    def _unsettled_seconds(
        self, effect: Effect, claim: Claim, sent_at: datetime, lag: ReadLag, looked_at: datetime
    ) -> float:
        """Seconds until a look-up surely shows what was sent at `sent_at`, after one made at `looked_at`."""
        is_over = self._over.get(effect.id) == claim.sent_at
        shown_after = timedelta(seconds=lag.seconds if is_over else lag.after_claim)
        return (max(sent_at, self._started_at) + shown_after - looked_at).total_seconds()

    async def _send(self, effect: Effect, claim: Claim, send: Send, find: Find) -> Created:
        ownership = ClaimOwnership(self._ledger, effect, claim)
        if claim.state == "in_doubt":  # looked up, and not there
            await ownership.prove()
        check = OwnershipCheck(ownership, self._clock, ownership.claim.sent_at)
        try:
            made = await send(check.check)
        except OutcomeUnknown:
            await self._doubt(effect, ownership.claim)
            raise
        except (RetryLater, Rejected) as error:
            await self._ledger.failed(effect, error.reason, ownership.claim)
            raise
        if made is None:
            await self._doubt(effect, ownership.claim)
            made = await find()
        if made is None:
            vendor = effect.system.capitalize()
            raise OutcomeUnknown(f"{vendor} did not say what {effect.operation} of {effect.key} made")
        return Created(made, False, check.checked_at)

    async def _doubt(self, effect: Effect, claim: Claim) -> None:
        """The call is over, its outcome unknown: the doubt begins now, not when the effect was claimed."""
        later = await self._ledger.again(effect, claim)
        if later.state == "new":
            self._over[effect.id] = later.sent_at
            if len(self._over) > _REMEMBERED:
                del self._over[next(iter(self._over))]


def created_id(claim: Claim) -> str:
    """The vendor's id of what a claim that is done made."""
    result: Mapping[str, Any] = claim.result or {}
    return str(result["id"])
