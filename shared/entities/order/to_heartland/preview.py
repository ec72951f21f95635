"""Preview of a canonical order: which calls it would lead to, without making them.

The writer's own code runs on what Heartland and our database hold now: reads are real, every write is only noted and
answered with a made-up id below zero, and nothing is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

from shared.canonical.event import read_event
from shared.connectors.heartland.client import HeartlandClient, Sends
from shared.connectors.heartland.transport import Answer, Query
from shared.entities.order.event import OrderEvent
from shared.entities.order.to_heartland.accounts import open_account
from shared.entities.order.to_heartland.handler import ENTITY, TARGET, decide
from shared.entities.order.to_heartland.write import OrderWriter
from shared.entities.parts import Preview, PreviewParts
from shared.errors import IntegrationError
from shared.limits.call_context import LIVE, CallContext
from shared.runtime.clock import Clock
from shared.state.atomic_write import AtomicWriter, WriteAnswer, WriteSet
from shared.state.database import Database
from shared.state.dry_ledger import DryLedger
from shared.state.target_state import TargetStates

Json = dict[str, Any]
# It takes nothing over from a process that may have written until a moment ago. What the ledger knows of still counts.
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass
class DryRunTransport:
    """Stands before the real transport: lets reads through, and keeps writes to itself."""

    real: Sends
    calls: list[Json] = field(default_factory=list)
    _ids: count[int] = field(default_factory=lambda: count(1))

    @property
    def call_seconds(self) -> float:
        return self.real.call_seconds

    async def send(
        self,
        method: str,
        path: str,
        *ids: int,
        query: Query = (),
        body: Mapping[str, object] | None = None,
        context: CallContext,
    ) -> Answer:
        if method == "GET" and all(number >= 0 for number in ids):
            return await self.real.send(method, path, *ids, query=query, context=context)
        if method == "GET":  # of something that is only made up
            return Answer({"results": [], "pages": 1}, "")
        self.calls.append({"method": method, "path": path.format(*ids), "body": body})
        return MadeUp(None, "", made_up=-next(self._ids))


@dataclass(frozen=True, slots=True)
class MadeUp(Answer):
    """The answer to a write that was not sent."""

    made_up: int = 0

    @property
    def id(self) -> int | None:
        return self.made_up


class DryNotes(AtomicWriter):
    """Grants claims as the real ledger would, and stores nothing."""

    def __init__(self, db: Database, clock: Clock) -> None:
        super().__init__(db, clock)
        self._known = DryLedger(db, clock)

    async def write(self, note: WriteSet) -> WriteAnswer:
        return WriteAnswer([await self._known.claim(effect) for effect in note.claims])


async def preview(parts: PreviewParts, connection: str, body: bytes) -> Preview:
    """What this event would lead to. Raises Rejected for a body that is no canonical order."""
    event = read_event(OrderEvent, body, "order")
    there = parts.clients.heartland.get(connection)
    dry_run = DryRunTransport(there.client.transport)
    account = open_account(
        replace(there, client=HeartlandClient(dry_run)),
        ledger=DryLedger(parts.database, parts.clock),
        notes=DryNotes(parts.database, parts.clock),
        clock=parts.clock,
        started_at=_LONG_AGO,
    )
    stored = await TargetStates(parts.database).get(
        connection, ENTITY, event.key, TARGET, event.record.customer.shopify_id
    )
    verdict, problem = decide(stored.version, event), ""
    if verdict == "apply":
        try:
            await OrderWriter(account, event.record, stored, LIVE).run()
        except IntegrationError as error:
            problem = error.reason
    return Preview(verdict, dry_run.calls, problem)
