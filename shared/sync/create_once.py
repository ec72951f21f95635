"""A create that happens once, over crashes, timeouts and replicas: noted before it is sent, looked up when in doubt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.connectors.heartland.errors import Refused
from shared.errors import OutcomeUnknown, TargetDown
from shared.limits.call_context import PreSendCheck
from shared.runtime.clock import Clock
from shared.state.atomic_write import AtomicWriter, WriteSet
from shared.state.ledger import Claim, Effect, Ledger
from shared.sync.ownership_check import FRESH, ClaimCheck, OwnershipCheck, renewed
from shared.sync.unit_of_work import UnitOfWork

# Makes the call; what it is given runs just before the request is sent.
Send = Callable[[PreSendCheck], Awaitable[int | None]]
Find = Callable[[], Awaitable[int | None]]

_REMEMBERED = 1000
# How soon, at least, what another process may be making is looked for again.
_LOOK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Created:
    """`id` in Heartland. `found`: it was there already, with whatever hangs on it; `sent_at` is when it was sent."""

    id: int
    found: bool
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class CreateHistory:
    """When the last create went out, and the claims of those of which nobody noted the end, by operation."""

    last_sent: datetime | None
    in_doubt: Mapping[str, Claim]


class CreateOnce:
    """VendorLimits creates by the ledger.

    A look-up that finds nothing proves something only `lag_seconds` after the write could last have been sent: by this
    process, or by the one before it, of which we only know that it ended before we started.
    """

    def __init__(self, ledger: Ledger, notes: AtomicWriter, clock: Clock, started_at: datetime | None = None) -> None:
        self._ledger = ledger
        self._notes = notes
        self._clock = clock
        self._started_at = started_at or clock.now()
        # Claims whose call by this process is over, without an answer: nothing of it is under way any more.
        self._over: dict[str, datetime] = {}

    async def create(
        self,
        effect: Effect,
        send: Send,
        find: Find,
        lag_seconds: float,
        *,
        pending: UnitOfWork | None = None,
        call_seconds: float | None = None,
    ) -> Created:
        """The record's id, made by `send` or found. Raises what these raise; OutcomeUnknown asks for a retry.

        With `pending`, a claim held there is used, and the outcome is added there instead of being noted at once.
        `call_seconds` is for what processes may create side by side, the partition's owner or not: how long a call of
        another one may be under way.
        """
        claim = await self._claim(effect, pending)
        if claim.state == "done":
            return Created(_id(claim.result), True, claim.sent_at)
        if claim.state == "in_doubt":
            is_over = self._over.get(effect.id) == claim.sent_at
            late = lag_seconds if is_over else shown_after(lag_seconds, call_seconds)
            found = await self._find(effect, claim, find, (lag_seconds, late), pending)
            if found is not None:
                return found
            claim = await renewed(self._ledger, effect, claim)
        made = await self._send(effect, claim, send, find)
        if pending is None:
            await self._ledger.done(effect, {"id": made.id})
        else:
            pending.done.append((effect, made.id))
        return made

    async def seen(self, effect: Effect, made: int) -> None:
        """The record was found without asking the ledger: a create that was in doubt is so no longer."""
        claim = (await self._ledger.of_key(effect.connection, effect.entity, effect.key)).get(effect.operation)
        if claim is not None and claim.state == "in_doubt":
            await self._ledger.done(effect, {"id": made})

    async def hold(self, effects: Sequence[Effect], pending: UnitOfWork) -> None:
        """Claim several creates of one order with one statement; each is used when its turn comes."""
        wanted = tuple(effect for effect in dict.fromkeys(effects) if effect not in pending.held)
        noted = await self._notes.write(WriteSet(pending.about, wanted))
        pending.held.update(zip(wanted, noted.claims, strict=True))

    def ours(self, pending: UnitOfWork) -> OwnershipCheck:
        """Tells from now on whether the order that `pending` is about was taken over by another process."""
        return OwnershipCheck(pending.taken_at, self._clock)

    async def _claim(self, effect: Effect, pending: UnitOfWork | None) -> Claim:
        if pending is None:
            return await self._ledger.claim(effect)
        return pending.take(effect) or (await self._notes.write(WriteSet(pending.about, (effect,)))).claims[0]

    async def history(self, connection: str, entity: str, key: str) -> CreateHistory:
        """What was created for this aggregate, by whichever process."""
        claims = await self._ledger.of_key(connection, entity, key)
        return CreateHistory(
            last_sent=max((claim.sent_at for claim in claims.values()), default=None),
            in_doubt={operation: claim for operation, claim in claims.items() if claim.state == "in_doubt"},
        )

    def unsettled_seconds(self, sent_at: datetime, lag_seconds: float, looked_at: datetime | None = None) -> float:
        """How long until a look-up (one made at `looked_at`) shows what was sent at `sent_at`, at the latest."""
        since = max(sent_at, self._started_at)
        return (since + timedelta(seconds=lag_seconds) - (looked_at or self._clock.now())).total_seconds()

    def must_show(self, made: Created, lag_seconds: float, call_seconds: float) -> bool:
        """Whether a look-up now shows what is known to be made, by whichever process."""
        return self._clock.now() - made.sent_at >= timedelta(seconds=shown_after(lag_seconds, call_seconds))

    async def _find(
        self, effect: Effect, claim: Claim, find: Find, lags: tuple[float, float], pending: UnitOfWork | None
    ) -> Created | None:
        lag_seconds, late_seconds = lags
        sent_at = claim.sent_at if pending is None else await pending.since(claim.sent_at)
        looked_at = self._clock.now()
        found = await find()
        if found is not None:
            await self._ledger.done(effect, {"id": found})
            return Created(found, True, claim.sent_at)
        wait = self.unsettled_seconds(sent_at, late_seconds, looked_at)
        if wait > 0:
            # It may show, or be noted by who sends it, long before it must.
            raise TargetDown(
                f"{effect.operation} of {effect.key} is in doubt and cannot be seen in Heartland yet",
                min(wait, max(lag_seconds, _LOOK_SECONDS)),
            )
        return None

    async def _send(self, effect: Effect, claim: Claim, send: Send, find: Find) -> Created:
        turn = ClaimCheck(self._ledger, self._clock, effect, claim)
        try:
            made = await send(turn.check)
        except OutcomeUnknown:
            await self._doubt(effect, turn.claim)
            raise
        except (TargetDown, Refused) as error:
            await self._ledger.failed(effect, error.reason, turn.claim)
            raise
        if made is None:
            await self._doubt(effect, turn.claim)
            made = await find()
        if made is None:
            raise OutcomeUnknown(f"Heartland did not say what {effect.operation} of {effect.key} made")
        return Created(made, False, turn.at)

    async def _doubt(self, effect: Effect, claim: Claim) -> None:
        """The call is over, who knows how: the doubt begins now, not when it was noted."""
        later = await self._ledger.again(effect, claim)
        if later.state == "new":
            self._over[effect.id] = later.sent_at
            if len(self._over) > _REMEMBERED:
                del self._over[next(iter(self._over))]


def shown_after(lag_seconds: float, call_seconds: float | None) -> float:
    """How long after its claim a create shows in reads at the latest; `call_seconds` as in `CreateOnce.create`."""
    return lag_seconds if call_seconds is None else lag_seconds + FRESH.total_seconds() + call_seconds


def _id(result: Mapping[str, Any] | None) -> int:
    return int((result or {})["id"])
