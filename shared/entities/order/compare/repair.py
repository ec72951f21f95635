"""What an order's own writer writes, the order and its payments: repaired and settled as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any

from shared.connectors.heartland.errors import NotFound
from shared.connectors.heartland.models import Model
from shared.entities.order.compare.snapshot import Snapshot
from shared.entities.order.heartland.orders import (
    read_order_lines,
    read_order_payments,
    read_order_taxes,
    read_sales_order,
)
from shared.entities.order.spec import ORDER_REPAIR, RAW_SHOPIFY_ORDER
from shared.limits.call_context import REPAIR
from shared.messaging.envelope import Envelope
from shared.messaging.notice import RepairCause, asked_for, notice
from shared.messaging.topics import Topic
from shared.state.drift import Drift, Finding
from shared.sync.comparison import Entity, Vendors
from shared.sync.repair_notice import RepairNotice, repair_event

Json = dict[str, Any]


async def held(row: Drift, vendors: Vendors) -> Json:
    """The figures found, and the order in Heartland with its parts.

    Custom fields are left out: people write in them what is nobody's business here.
    """
    number, heartland = row.details.get("heartland_id"), vendors.heartland.client
    if not number:
        return row.details
    try:
        parts: dict[str, Iterable[Model]] = {
            "order": [await read_sales_order(heartland, int(number), REPAIR)],
            "lines": await read_order_lines(heartland, int(number), REPAIR),
            "taxes": await read_order_taxes(heartland, int(number), REPAIR),
            "payments": await read_order_payments(heartland, int(number), REPAIR),
        }
    except NotFound:
        return row.details
    plain = {name: [one.model_dump(mode="json", exclude={"custom"}) for one in rows] for name, rows in parts.items()}
    return {**row.details, **plain}


async def notices(row: Drift, _: Vendors, now: datetime) -> list[RepairNotice]:
    """The order is to be read back, and written although it seems to be."""
    told = repair_event(row, now, source="shopify", kind=ORDER_REPAIR, entity="order")
    return [RepairNotice(RAW_SHOPIFY_ORDER, told, covers=row.key)]


def read_again(connection: str, key: str, event_id: str, now: datetime, cause: RepairCause) -> tuple[Topic, Envelope]:
    """The notice that has an order read back and written once more."""
    event = notice(
        event_id=event_id,
        source="shopify",
        kind=ORDER_REPAIR,
        time=now,
        connection=connection,
        entity="order",
        subject=key,
        extra=asked_for(cause),
    )
    return RAW_SHOPIFY_ORDER, event


def of_the_order(
    name: str,
    compare: Callable[[Snapshot], Iterator[Finding]],
    advice: Mapping[str, str],
    hopeless: frozenset[str] = frozenset(),
) -> Entity[Snapshot]:
    """An entity that comes to be written with the order as a whole."""
    return Entity(name, compare, held, notices, attrgetter("is_decided"), advice, hopeless)
