"""Repairs an order with its payments: the order is read and written again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any

from shared.connectors.heartland.errors import NotFound
from shared.connectors.heartland.models import Model
from shared.entities.order.compare.snapshot import OrderSnapshot
from shared.entities.order.heartland.orders import (
    read_order_lines,
    read_order_payments,
    read_order_taxes,
    read_sales_order,
)
from shared.entities.order.spec import ORDER_REPAIR, RAW_SHOPIFY_ORDER
from shared.limits.call_context import REPAIR
from shared.messaging.envelope import Envelope
from shared.messaging.notice import notice
from shared.messaging.topics import Topic
from shared.state.drift import Drift, Finding
from shared.sync.comparison import Entity, Vendors
from shared.sync.repair_notice import RepairNotice, repair_event

Json = dict[str, Any]


async def held(row: Drift, vendors: Vendors) -> Json:
    """What to store before a repair: the difference, and the order in Heartland with its parts.

    Without custom fields, which may hold personal data.
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
    plain = {
        name: [record.model_dump(mode="json", exclude={"custom"}) for record in records]
        for name, records in parts.items()
    }
    return {**row.details, **plain}


async def notices(row: Drift, _: Vendors, now: datetime) -> list[RepairNotice]:
    """The notice to read the order and write it again, even if it is unchanged."""
    event = repair_event(row, now, source="shopify", kind=ORDER_REPAIR, entity="order")
    return [RepairNotice(RAW_SHOPIFY_ORDER, event, covers=row.key)]


def read_again(
    connection: str, key: str, event_id: str, now: datetime, headers: Mapping[str, str]
) -> tuple[Topic, Envelope]:
    """The notice by which an order is read and written again. `headers` say why: see `notice.asked_for`."""
    event = notice(
        event_id=event_id,
        source="shopify",
        kind=ORDER_REPAIR,
        time=now,
        connection=connection,
        entity="order",
        subject=key,
        extra=headers,
    )
    return RAW_SHOPIFY_ORDER, event


def compared_entity(
    name: str,
    compare: Callable[[OrderSnapshot], Iterator[Finding]],
    advice: Mapping[str, str],
    unrepairable: frozenset[str] = frozenset(),
) -> Entity[OrderSnapshot]:
    """An entity that is repaired by writing the whole order again."""
    return Entity(name, compare, held, notices, attrgetter("is_decided"), advice, unrepairable)
