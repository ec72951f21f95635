"""One pass over one connection: look at both sides of orders, note what differs, act on what is certain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.reconciler.changes import Changes, Memory
from services.reconciler.decide import WINDOW, Caps, Decision, decide
from services.reconciler.known import OwnBooks
from services.reconciler.reader import Reader, chunks
from services.reconciler.repair import repair
from services.reconciler.snapshot import Snapshot
from services.reconciler.table import TABLE, findings
from shared.canonical.alert import Alert
from shared.connectors.heartland.clients import Heartland
from shared.connectors.shopify.clients import Shopify
from shared.messaging.producer import Producer
from shared.runtime.clock import Clock
from shared.state.drift import STATES, Drift, DriftLedger
from shared.state.reviews import Reviews

SERVICE = "reconciler"


@dataclass(frozen=True, slots=True)
class Rules:
    """Times and caps of every pass."""

    settling: timedelta
    look_apart: timedelta
    caps: Caps


@dataclass(slots=True)
class Outcome:
    """What a pass did: orders compared, rows found open, repaired, given to a person.

    `unread` are orders that could not be read, with the reason: nothing is concluded of them this time.
    """

    compared: int = 0
    unread: dict[str, str] = field(default_factory=dict)
    found: list[Drift] = field(default_factory=list)
    repaired: list[Drift] = field(default_factory=list)
    reviews: list[Drift] = field(default_factory=list)
    above_cap: bool = False


class Pass:
    """The parts of one connection's passes. `changes` lists what there is to compare."""

    def __init__(
        self,
        name: str,
        shopify: Shopify,
        heartland: Heartland,
        *,
        books: OwnBooks,
        ledger: DriftLedger,
        reviews: Reviews,
        producer: Producer,
        clock: Clock,
        rules: Rules,
        memory: Memory,
    ) -> None:
        self.changes = Changes(name, shopify, heartland, books, memory)
        self._name = name
        self._heartland = heartland
        self._reader = Reader(name, shopify, heartland, books)
        self._memory = memory
        self._ledger = ledger
        self._reviews = reviews
        self._producer = producer
        self._clock = clock
        self._rules = rules

    async def compare(self, keys: Iterable[str], of: Sequence[str], *, act: bool = True) -> Outcome:
        """Look at these orders. `act` False only notes what differs. Raises what reads raise; then it is done again."""
        outcome = Outcome()
        for page in chunks(keys):
            now = self._clock.now()
            seen = await self._reader.snapshots(page, now)
            outcome.unread |= seen.unread
            settled = [one for one in seen.snapshots if one.is_settled(now, self._rules.settling)]
            quiet = [one for one in settled if one.is_quiet]
            outcome.compared += len(quiet)
            outcome.found += await self._note(quiet, of, now)
        if act:
            now = self._clock.now()
            recent = await self._ledger.repaired_since(self._name, now - WINDOW)
            await self._act(decide(outcome.found, now, self._rules.look_apart, self._rules.caps, recent), outcome)
        return outcome

    async def _note(self, quiet: Sequence[Snapshot], of: Sequence[str], now: datetime) -> list[Drift]:
        rows: list[Drift] = []
        for one in quiet:
            found = findings(one, of)
            if not found and set(of) == set(TABLE):
                self._memory.agrees(one)
            rows += [await self._ledger.saw(finding, now, one.changed_at, one.content_hash) for finding in found]
        seen = [(row.entity, row.key, row.kind) for row in rows]
        for row in await self._ledger.over(self._name, of, [one.order.id for one in quiet], seen):
            await self._reviews.resolve(self._name, row.entity, row.key, (row.kind,))
            self._tell(row, resolved=True)
        return [row for row in rows if row.state != "ignored"]

    async def _act(self, decision: Decision, outcome: Outcome) -> None:
        outcome.above_cap = decision.above_cap
        if decision.above_cap or self._memory.capped is not False:
            self._producer.alert(self._capped(outcome))
        self._memory.capped = decision.above_cap
        sent: dict[str, str] = {}
        for row in decision.repair:
            if await self._ledger.repairing(row):
                await self._send(row, sent)
                outcome.repaired.append(row)
        for row in decision.review:
            if await self._ask(row):
                outcome.reviews.append(row)

    async def repair(self, row: Drift) -> bool:
        """A person wants it sent through once more, whatever its state. False if somebody was faster."""
        if not await self._ledger.repairing(row, STATES):
            return False
        await self._send(row, {}, by_hand=True)
        return True

    async def _send(self, row: Drift, sent: dict[str, str], *, by_hand: bool = False) -> None:
        """Send what is claimed through the one road. If this dies, it is ripe again some looks later.

        `sent` are the orders that this pass has told of already, with the notices: an order is written whole.
        """
        undo = await repair(row, self._heartland.client, self._producer, self._clock.now(), sent)
        await self._ledger.undoes(row.id, {**undo, "by_hand": True} if by_hand else undo)
        self._tell(row, resolved=False)

    async def _ask(self, row: Drift) -> bool:
        """False if a person let it be meanwhile. Noted after it is asked: noted only, nobody would ever be asked."""
        await self._reviews.open(
            self._name, row.kind, row.entity, row.key, row.reason, _ADVICE.get(row.kind, _ADVICE[""]), row.details
        )
        if not await self._ledger.becomes(row.id, "review", ("open", "repairing")):
            await self._reviews.resolve(self._name, row.entity, row.key, (row.kind,))
            return False
        self._tell(row, resolved=False)
        return True

    def _tell(self, row: Drift, *, resolved: bool) -> None:
        self._producer.alert(
            Alert(
                kind="drift",
                connection=self._name,
                entity=row.entity,
                key=row.key,
                service=SERVICE,
                reason="both sides agree again" if resolved else row.reason,
                at=self._clock.now(),
                details={"kind": row.kind, "at_risk": f"{row.at_risk} {row.currency}".strip()},
                resolved=resolved,
            )
        )

    def _capped(self, outcome: Outcome) -> Alert:
        return Alert(
            kind="drift_above_cap",
            connection=self._name,
            service=SERVICE,
            severity="critical",
            reason=f"{len(outcome.found)} differ, too much for an hour: nothing is repaired until a person looks",
            at=self._clock.now(),
            resolved=not outcome.above_cap,
        )


_ADVICE = {
    "total_differs": "Somebody changed it in Heartland: put it right there, or have it written again as Shopify has "
    "it, by `tillbridge drift repair`.",
    "payment_exceeds": "Find out who took the money in Heartland, and book it in Shopify or give it back.",
    "shipment_unclear": "Compare the fulfilments in Shopify with the invoices, and fulfil by hand what is missing.",
    "fulfilment_gone": "Ask the store whether the goods left; fulfil the order again in Shopify, or take them back.",
    "": "It was written again several times and still differs: look at the record on both sides.",
}
