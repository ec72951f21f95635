"""Preview of a canonical order: the calls it would lead to, without making them.

The writer's own code runs against the current state of Heartland and the database. Reads are sent; writes are only
recorded, and nothing is stored.
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

# A preview need not wait for writes of another process that reads may not show yet, unless the ledger has them.
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


async def preview(parts: PreviewParts, connection: str, body: bytes) -> Preview:
    """The preview of the event in `body`. Raises Rejected for a body that is no canonical order."""
    connected = parts.clients.heartland.get(connection)
    dry_run = DryRunTransport(connected.client.transport)
    ledger = DryLedger(parts.database, parts.clock)
    account = open_account(
        replace(connected, client=HeartlandClient(dry_run)),
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
