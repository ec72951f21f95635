"""Snapshots in which both sides agree, unless a test says otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from shared.entities.order.compare.snapshot import HeartlandOrderState, OrderSnapshot, StoredOrderState
from shared.entities.order.record import Order
from tests.support.messaging import NOON
from tests.support.orders import a_tender, an_order

HASH = "h1"


def a_paid_order(**changes: Any) -> Order:
    order = an_order()
    paid = order.model_copy(update={"tenders": (a_tender(str(order.total)),), "updated_at": NOON})
    return paid.model_copy(update=changes)


def in_agreement(order: Order | None = None, **stored: Any) -> OrderSnapshot:
    order = order or a_paid_order()
    return OrderSnapshot(
        connection="main",
        order=order,
        content_hash=HASH,
        fulfilled_units=0,
        heartland=HeartlandOrderState("100001", "open", order.total, order.paid),
        stored=replace(StoredOrderState(version=NOON - timedelta(minutes=1), content_hash=HASH), **stored),
    )


def there(snapshot: OrderSnapshot, **changes: Any) -> OrderSnapshot:
    assert snapshot.heartland is not None
    return replace(snapshot, heartland=replace(snapshot.heartland, **changes))


CENT = Decimal("0.01")
