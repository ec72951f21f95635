"""A create that happens once, over crashes, timeouts and replicas: noted before it is sent, looked up when in doubt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.heartland_writer.pending import Pending
from shared.connectors.heartland.errors import Refused
from shared.errors import OutcomeUnknown, TargetDown
from shared.runtime.clock import Clock
from shared.state.ledger import Claim, Effect, Ledger
from shared.state.notes import Note, Notes

Send = Callable[[], Awaitable[int | None]]
Find = Callable[[], Awaitable[int | None]]

# A claim that waited longer for its call is claimed anew: whoever took it over meanwhile may be about to send.
_FRESH = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Made:
    """`id` in Heartland. `found`: it was there already, with whatever hangs on it; `sent_at` is when it was sent."""

    id: int
    found: bool
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class History:
    """When the last create went out, and the claims of those of which nobody noted the end, by operation."""

    last_sent: datetime | None
    in_doubt: Mapping[str, Claim]


class Once:
    """Guards creates by the ledger.

    A look-up that finds nothing proves something only `lag_seconds` after the write could last have been sent: by this
    process, or by the one before it, of which we only know that it ended before we started.
    """

    def __init__(self, ledger: Ledger, notes: Notes, clock: Clock) -> None:
        self._ledger = ledger
        self._notes = notes
        self._clock = clock
        self._started_at = clock.now()

    async def create(
        self, effect: Effect, send: Send, find: Find, lag_seconds: float, *, pending: Pending | None = None
    ) -> Made:
        """The record's id, made by `send` or found. Raises what these raise; OutcomeUnknown asks for a retry.

        With `pending`, a claim held there is used, and the outcome is added there instead of being noted at once.
        """
        claim = await self._claim(effect, pending)
        if claim.state == "done":
            return Made(_id(claim.result), True, claim.sent_at)
        if claim.state == "in_doubt":
            found = await self._find(effect, claim, find, lag_seconds, pending)
            if found is not None:
                return found
            claim = await self._again(effect, claim)
        elif self._clock.now() - claim.sent_at > _FRESH:
            claim = await self._again(effect, claim)
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

    async def hold(self, effects: Sequence[Effect], pending: Pending) -> None:
        """Claim several creates of one order with one statement; each is used when its turn comes."""
        wanted = tuple(effect for effect in dict.fromkeys(effects) if effect not in pending.held)
        noted = await self._notes.write(Note(pending.about, wanted))
        pending.held.update(zip(wanted, noted.claims, strict=True))

    async def _claim(self, effect: Effect, pending: Pending | None) -> Claim:
        if pending is None:
            return await self._ledger.claim(effect)
        return pending.take(effect) or (await self._notes.write(Note(pending.about, (effect,)))).claims[0]

    async def history(self, connection: str, entity: str, key: str) -> History:
        """What was created for this aggregate, by whichever process."""
        claims = await self._ledger.of_key(connection, entity, key)
        return History(
            last_sent=max((claim.sent_at for claim in claims.values()), default=None),
            in_doubt={operation: claim for operation, claim in claims.items() if claim.state == "in_doubt"},
        )

    def unsettled_seconds(self, sent_at: datetime, lag_seconds: float, looked_at: datetime | None = None) -> float:
        """How long until a look-up (one made at `looked_at`) shows what was sent at `sent_at`, at the latest."""
        since = max(sent_at, self._started_at)
        return (since + timedelta(seconds=lag_seconds) - (looked_at or self._clock.now())).total_seconds()

    async def _find(
        self, effect: Effect, claim: Claim, find: Find, lag_seconds: float, pending: Pending | None
    ) -> Made | None:
        sent_at = claim.sent_at if pending is None else await pending.since(claim.sent_at)
        looked_at = self._clock.now()
        found = await find()
        if found is not None:
            await self._ledger.done(effect, {"id": found})
            return Made(found, True, claim.sent_at)
        wait = self.unsettled_seconds(sent_at, lag_seconds, looked_at)
        if wait > 0:
            raise TargetDown(
                f"{effect.operation} of {effect.key} is in doubt and cannot be seen in Heartland yet", wait
            )
        return None

    async def _again(self, effect: Effect, claim: Claim) -> Claim:
        """The same claim with a later time, unless somebody else took it since."""
        renewed = await self._ledger.again(effect, claim)
        if renewed.state != "new":
            raise TargetDown(f"{effect.operation} of {effect.key} is being settled elsewhere")
        return renewed

    async def _send(self, effect: Effect, claim: Claim, send: Send, find: Find) -> Made:
        sent_at = self._clock.now()
        try:
            made = await send()
        except OutcomeUnknown:
            # The call may have waited long for its turn: the doubt begins now, not when it was noted.
            await self._ledger.again(effect, claim)
            raise
        except (TargetDown, Refused) as error:
            await self._ledger.failed(effect, error.reason, claim)
            raise
        if made is None:
            made = await find()
        if made is None:
            raise OutcomeUnknown(f"Heartland did not say what {effect.operation} of {effect.key} made")
        return Made(made, False, sent_at)


def _id(result: Mapping[str, Any] | None) -> int:
    return int((result or {})["id"])
