"""Orders: missing in Heartland, older there than in Shopify, or of another total or status."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from shared.entities.order.compare.repair import of_the_order
from shared.entities.order.compare.snapshot import Snapshot
from shared.entities.order.record import Order
from shared.state.drift import Finding

NAME = "order"
_CANCELED = ("canceled", "cancelled")


def compare(seen: Snapshot) -> Iterator[Finding]:
    order, there = seen.order, seen.heartland
    if there is None:
        yield _finding(seen, "order_missing", f"order {order.name} is not in Heartland", order.total)
        return
    if seen.is_behind:
        yield _finding(seen, "order_behind", f"Heartland does not have what changed in order {order.name}", order.total)
        return
    if (order.cancelled_at is not None) != (there.status.lower() in _CANCELED):
        here = "cancelled" if order.cancelled_at else "not cancelled"
        reason = f"order {order.name} is {here} in Shopify and {there.status} in Heartland"
        yield _finding(seen, "status_differs", reason, order.total)
    elif there.total is not None and is_whole(order) and there.total != order.total:
        reason = f"order {order.name} comes to {order.total} in Shopify and to {there.total} in Heartland"
        # What we wrote came to the same, so somebody changed it there, and may have meant it.
        yield _finding(seen, "total_differs", reason, abs(order.total - there.total), repairable=False)


def is_whole(order: Order) -> bool:
    """Whether nothing came off it since it was sold: then both totals must be the same. A cancelled one keeps its."""
    return order.cancelled_at is None and not any(line.removed or line.refunded for line in order.lines)


def _finding(seen: Snapshot, kind: str, reason: str, at_risk: Decimal, *, repairable: bool = True) -> Finding:
    order, there = seen.order, seen.heartland
    return Finding(
        connection=seen.connection,
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
            "heartland_id": there.id if there else "",
            "heartland_total": "" if there is None or there.total is None else str(there.total),
            "heartland_status": there.status if there else "",
        },
    )


ENTITY = of_the_order(
    NAME,
    compare,
    advice={
        "total_differs": "Somebody changed it in Heartland: put it right there, or have it written again as Shopify "
        "has it, by `tillbridge drift repair`.",
    },
)
