"""How stock levels are compared, and repaired: an entity's own file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from shared.entities.order.spec import RAW_SHOPIFY_ORDER
from shared.state.drift import Drift, Finding
from shared.sync.comparison import Entity, Vendors
from shared.sync.repair_notice import RepairNotice, repair_event
from tests.support.joining.level import Level


def compare(seen: Level) -> Iterator[Finding]:
    if seen.here != seen.there:
        kind = "stock_differs" if seen.here >= 0 else "oversold"
        reason = f"{seen.key}: {seen.here} here, {seen.there} there"
        yield Finding(seen.connection, "stock", seen.key, kind, reason, repairable=seen.here >= 0)


async def held(row: Drift, _: Vendors) -> dict[str, Any]:
    return {"units": row.reason}


async def notices(row: Drift, _: Vendors, now: datetime) -> list[RepairNotice]:
    told = repair_event(row, now, source="heartland", kind="heartland.stock.repair", entity="stock")
    # Any topic does for a test.
    return [RepairNotice(RAW_SHOPIFY_ORDER, told, covers=row.key)]


ENTITY = Entity("stock", compare, held, notices, advice={"oversold": "Count it."}, hopeless=frozenset(("oversold",)))
