"""Preview of a canonical order: which calls it would lead to, without making them.

The writer's own code runs on what Heartland and our database hold now: reads are real, every write is only noted, and
nothing is stored.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.dry_run import DryRunTransport
from shared.entities.order.to_heartland.account import open_account
from shared.entities.order.to_heartland.order_sync import OrderInHeartland
from shared.entities.parts import Preview, PreviewParts
from shared.state.dry_ledger import DryAtomicWriter, DryLedger
from shared.state.target_state import TargetStates
from shared.sync.sync import Sync

# It takes nothing over from a process that may have written until a moment ago. What the ledger knows of still counts.
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


async def preview(parts: PreviewParts, connection: str, body: bytes) -> Preview:
    """What this event would lead to. Raises Rejected for a body that is no canonical order."""
    there = parts.clients.heartland.get(connection)
    dry_run = DryRunTransport(there.client.transport)
    ledger = DryLedger(parts.database, parts.clock)
    account = open_account(
        replace(there, client=HeartlandClient(dry_run)),
        ledger=ledger,
        clock=parts.clock,
        started_at=_LONG_AGO,
    )
    orders = Sync(
        OrderInHeartland(lambda _: account, parts.clock),
        writer=DryAtomicWriter(parts.database, parts.clock, ledger),
        clock=parts.clock,
        states=TargetStates(parts.database),
    )
    verdict, problem = await orders.preview(body, reapplies=parts.reapplies)
    return Preview(verdict, dry_run.calls, problem)
