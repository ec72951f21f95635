"""`python -m services.heartland_writer.preview`: which calls a canonical order would lead to, without making them.

Reads the event's body on standard input and the connection's name as its argument, and prints JSON. The writer's own
code runs on what Heartland and our database hold now: reads are real, every write is only noted and answered with a
made-up id below zero, and nothing is stored.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import orjson
from prometheus_client import CollectorRegistry

from services.heartland_writer.settings import Settings
from shared.canonical.event import read_event
from shared.connectors.clients import open_clients
from shared.connectors.heartland.client import HeartlandClient, Sends
from shared.connectors.heartland.transport import Answer, Query
from shared.entities.order.event import OrderEvent
from shared.entities.order.to_heartland.accounts import open_account
from shared.entities.order.to_heartland.handler import ENTITY, TARGET, decide
from shared.entities.order.to_heartland.write import Writing
from shared.errors import IntegrationError, Rejected
from shared.limits.call_context import LIVE, CallContext
from shared.runtime.clock import Clock, SystemClock
from shared.runtime.metrics import ServiceMetrics
from shared.state.atomic_write import Note, Noted, Notes
from shared.state.connections import Connections, ConnectionStore
from shared.state.database import Database
from shared.state.dry_ledger import DryLedger
from shared.state.target_state import TargetStates

Json = dict[str, Any]
# It takes nothing over from a process that may have written until a moment ago. What the ledger knows of still counts.
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass
class Rehearsal:
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
    made_up: int = 0

    @property
    def id(self) -> int | None:
        return self.made_up


class DryNotes(Notes):
    def __init__(self, db: Database, clock: Clock) -> None:
        super().__init__(db, clock)
        self._known = DryLedger(db, clock)

    async def write(self, note: Note) -> Noted:
        return Noted([await self._known.claim(effect) for effect in note.claims])


async def preview(settings: Settings, connection: str, body: bytes) -> Json:
    """`verdict` (apply, duplicate, ...), `calls` that would be made, and `problem` where it would not go through."""
    event = read_event(OrderEvent, body, "order")
    clock = SystemClock()
    metrics = ServiceMetrics("preview", CollectorRegistry())
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(settings.database_url, 2))
        known = Connections(await ConnectionStore(database, settings.secret_key).all())
        clients = await stack.enter_async_context(open_clients(settings, known, metrics=metrics, clock=clock))
        there = clients.heartland.get(connection)
        rehearsal = Rehearsal(there.client.transport)
        account = open_account(
            replace(there, client=HeartlandClient(rehearsal)),
            ledger=DryLedger(database, clock),
            notes=DryNotes(database, clock),
            clock=clock,
            started_at=_LONG_AGO,
        )
        standing = await TargetStates(database).get(
            connection, ENTITY, event.key, TARGET, event.record.customer.shopify_id
        )
        verdict = decide(standing.version, event)
        problem = ""
        if verdict == "apply":
            try:
                await Writing(account, event.record, standing, LIVE).run()
            except IntegrationError as error:
                problem = error.reason
        return {"verdict": verdict, "calls": rehearsal.calls, "problem": problem, "at": datetime.now(UTC)}


def main() -> int:
    try:
        settings = Settings.from_env(os.environ)
        found = asyncio.run(preview(settings, sys.argv[1], sys.stdin.buffer.read()))
    except IntegrationError as error:
        again = ": it would be a dead letter again" if isinstance(error, Rejected) else ""
        print(error.reason + again, file=sys.stderr)  # noqa: T201 -- for whoever asked
        return 1
    sys.stdout.buffer.write(orjson.dumps(found, default=str, option=orjson.OPT_UTC_Z) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
