"""Compares orders: missing in Heartland, not up to date there, or with another total or status."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from shared.entities.order.compare.repair import compared_entity
from shared.entities.order.compare.snapshot import OrderSnapshot
from shared.entities.order.record import Order
from shared.state.drift import Finding

NAME = "order"
_CANCELED = ("canceled", "cancelled")


def compare(snapshot: OrderSnapshot) -> Iterator[Finding]:
    order, heartland = snapshot.order, snapshot.heartland
    if heartland is None:
        yield _finding(snapshot, "order_missing", f"order {order.name} is missing in Heartland", order.total)
        return
    if snapshot.is_behind:
        yield _finding(
            snapshot, "order_behind", f"Heartland does not have the last change of order {order.name}", order.total
        )
        return
    if (order.cancelled_at is not None) != (heartland.status.lower() in _CANCELED):
        status = "cancelled" if order.cancelled_at else "not cancelled"
        reason = f"order {order.name} is {status} in Shopify and {heartland.status} in Heartland"
        yield _finding(snapshot, "status_differs", reason, order.total)
    elif heartland.total is not None and is_whole(order) and heartland.total != order.total:
        reason = f"the total of order {order.name} is {order.total} in Shopify and {heartland.total} in Heartland"
        # The totals were equal when we wrote it, so somebody changed it in Heartland, perhaps on purpose.
        yield _finding(snapshot, "total_differs", reason, abs(order.total - heartland.total), repairable=False)


def is_whole(order: Order) -> bool:
    """Whether nothing was removed or refunded since the sale, so that both totals must be equal."""
    return order.cancelled_at is None and not any(line.removed or line.refunded for line in order.lines)


def _finding(snapshot: OrderSnapshot, kind: str, reason: str, at_risk: Decimal, *, repairable: bool = True) -> Finding:
    order, heartland = snapshot.order, snapshot.heartland
    return Finding(
        connection=snapshot.connection,
        entity=NAME,
        key=order.id,
        kind=kind,
        reason=reason,
        at_risk=at_risk,
        currency=order.currency,
        repairable=repairable,
        details={
            "order": order.name,
            "shopify_total": str(order.total),
            "heartland_id": heartland.id if heartland else "",
            "heartland_total": "" if heartland is None or heartland.total is None else str(heartland.total),
            "heartland_status": heartland.status if heartland else "",
        },
    )


ENTITY = compared_entity(
    NAME,
    compare,
    advice={
        "total_differs": "Somebody changed the order in Heartland. Correct it there, or write Shopify's order again "
        "with `tillbridge drift repair`.",
    },
)
