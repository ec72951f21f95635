"""One comparison pass over a subject of one connection.

Read both systems, store differences, repair certain ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic

from shared.canonical.alert import Alert
from shared.messaging.kafka.producer import Producer
from shared.operations.comparison.decide import WINDOW, Caps, Decision, decide
from shared.runtime.clock import Clock
from shared.state.drift import STATES, Drift, DriftLedger
from shared.state.reviews import Reviews
from shared.sync.comparison import Records, S, Slice, Subject, Vendors, changed_at, is_settled
from shared.sync.comparison_memory import Memory
from shared.sync.repair_notice import RepairNotice

SERVICE = "reconciler"
# Ids of the notices that a pass has sent, by topic and by the record that the notice has written as a whole.
Sent = dict[tuple[str, str], str]
# For kinds of difference for which the entity has no advice of its own.
_ADVICE = (
    "Several repairs did not help: compare the record in Shopify and Heartland, and correct the wrong one by hand."
)


@dataclass(frozen=True, slots=True)
class Rules:
    """Intervals and caps that apply to every pass."""

    settling: timedelta
    look_apart: timedelta
    caps: Caps


@dataclass(slots=True)
class Outcome:
    """Result of a pass: how many records were compared.

    The differences found, repaired, and turned into reviews.

    `unread` has the reason for each record that could not be read, by key. Their differences stay as they are.
    """

    compared: int = 0
    unread: dict[str, str] = field(default_factory=dict)
    found: list[Drift] = field(default_factory=list)
    repaired: list[Drift] = field(default_factory=list)
    reviews: list[Drift] = field(default_factory=list)
    above_cap: bool = False


class Pass(Generic[S]):
    """Compares and repairs one subject's records of one connection."""

    def __init__(
        self,
        name: str,
        subject: Subject[S],
        records: Records[S],
        vendors: Vendors,
        *,
        ledger: DriftLedger,
        reviews: Reviews,
        producer: Producer,
        clock: Clock,
        rules: Rules,
        memory: Memory,
    ) -> None:
        self._records = records
        self._name = name
        self._subject = subject
        self._vendors = vendors
        self._memory = memory
        self._ledger = ledger
        self._reviews = reviews
        self._producer = producer
        self._clock = clock
        self._rules = rules

    async def changed_since(self, moment: datetime, *, everything: bool = False) -> list[str]:
        """Keys of the records that either vendor changed since then.

        Without `everything`, less those that were found equal and have not changed since.
        """
        self._memory.forget(moment)
        return await self._records.since(moment, everything=everything)

    async def slice(self, start: datetime, end: datetime, size: int) -> Slice:
        """About `size` records that changed from `start` to `end`, the longest unchanged first."""
        return await self._records.slice(start, end, size)

    async def compare(self, keys: Iterable[str], of: Sequence[str] = (), *, act: bool = True) -> Outcome:
        """Compare these records, for these entities or for all.

        With `act` False it only stores the differences.

        Raises what the reads raise; it can be repeated then.
        """
        outcome, of = Outcome(), of or self._subject.names()
        for page in _pages(keys):
            now = self._clock.now()
            seen = await self._records.read(page, now)
            outcome.unread |= seen.unread
            settled = [one for one in seen.snapshots if is_settled(one, now, self._rules.settling)]
            quiet = [one for one in settled if one.is_quiet]
            outcome.compared += len(quiet)
            outcome.found += await self._note(quiet, of, now)
        if act:
            now = self._clock.now()
            recent = await self._ledger.repaired_since(self._name, self._subject.names(), now - WINDOW)
            await self._act(decide(outcome.found, now, self._rules.look_apart, self._rules.caps, recent), outcome)
        return outcome

    async def _note(self, quiet: Sequence[S], of: Sequence[str], now: datetime) -> list[Drift]:
        rows: list[Drift] = []
        for one in quiet:
            found = self._subject.findings(one, of)
            if not found and set(of) == set(self._subject.names()):
                self._memory.agreed[one.key] = one.stamps
            rows += [await self._ledger.saw(finding, now, changed_at(one), one.content_hash) for finding in found]
        seen = [(row.entity, row.key, row.kind) for row in rows]
        for row in await self._ledger.over(self._name, of, [one.key for one in quiet], seen):
            await self._reviews.resolve(self._name, row.entity, row.key, (row.kind,))
            self._send_alert(row, resolved=True)
        return [row for row in rows if row.state != "ignored"]

    async def _act(self, decision: Decision, outcome: Outcome) -> None:
        outcome.above_cap = decision.above_cap
        if decision.above_cap or self._memory.capped is not False:
            self._producer.alert(self._capped(outcome))
        self._memory.capped = decision.above_cap
        sent: Sent = {}
        for row in decision.repair:
            if await self._ledger.repairing(row):
                await self._send(row, sent)
                outcome.repaired.append(row)
        for row in decision.review:
            if await self._open_review(row):
                outcome.reviews.append(row)

    async def repair(self, row: Drift) -> bool:
        """Repair a difference on request, whatever its state. False if another process has claimed it."""
        if not await self._ledger.repairing(row, STATES):
            return False
        await self._send(row, {}, by_hand=True)
        return True

    async def _send(self, row: Drift, sent: Sent, *, by_hand: bool = False) -> None:
        """Send the notices that have a claimed difference repaired.

        After a crash here, a later pass sends them again.

        Stores how to undo it: the target's values before the first repair, and the ids of the notices.
        """
        entity, now = self._subject.entity(row.entity), self._clock.now()
        before = row.undo if row.repairs and row.undo else None
        held = before["held"] if before else await entity.held(row, self._vendors)
        sent_ids = [await self._send_once(notice, sent) for notice in await entity.notices(row, self._vendors, now)]
        undo: dict[str, Any] = {
            "held": held, "notices": [*(before["notices"] if before else ()), *sent_ids], "at": now.isoformat(),
        }  # fmt: skip
        await self._ledger.undoes(row.id, {**undo, "by_hand": True} if by_hand else undo)
        self._send_alert(row, resolved=False)

    async def _send_once(self, notice: RepairNotice, sent: Sent) -> str:
        """Send the notice, unless this pass sent one that covers the same record.

        The id of the one that was sent.
        """
        covered = notice.topic.name, notice.covers
        if covered in sent:
            return sent[covered]
        await self._producer.send(notice.topic, notice.event)
        if notice.covers:
            sent[covered] = notice.event.id
        return notice.event.id

    async def _open_review(self, row: Drift) -> bool:
        """Open a review. False if a person has ignored the difference in the meantime.

        The state is set last: after a crash in between, the next pass opens the review again.
        """
        advice = self._subject.entity(row.entity).advice.get(row.kind, _ADVICE)
        await self._reviews.open(self._name, row.kind, row.entity, row.key, row.reason, advice, row.details)
        if not await self._ledger.becomes(row.id, "review", ("open", "repairing")):
            await self._reviews.resolve(self._name, row.entity, row.key, (row.kind,))
            return False
        self._send_alert(row, resolved=False)
        return True

    def _send_alert(self, row: Drift, *, resolved: bool) -> None:
        self._producer.alert(
            Alert(
                kind="drift",
                connection=self._name,
                entity=row.entity,
                key=row.key,
                service=SERVICE,
                reason="both systems agree again" if resolved else row.reason,
                at=self._clock.now(),
                details={"kind": row.kind, "at_risk": f"{row.at_risk} {row.currency}".strip()},
                resolved=resolved,
            )
        )

    def _capped(self, outcome: Outcome) -> Alert:
        return Alert(
            kind="drift_above_cap",
            connection=self._name,
            entity=self._subject.name,
            service=SERVICE,
            severity="critical",
            reason=f"{len(outcome.found)} differences exceed the hourly cap, none is repaired: check `drift list`",
            at=self._clock.now(),
            resolved=not outcome.above_cap,
        )


def _pages(keys: Iterable[str], size: int = 200) -> Iterator[list[str]]:
    """Each key once, in order."""
    unique = list(dict.fromkeys(keys))
    return (unique[at : at + size] for at in range(0, len(unique), size))
