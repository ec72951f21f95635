"""What is compared. An entity joins with a file of its own and a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from services.reconciler import fulfilment, order, payment
from services.reconciler.snapshot import Snapshot
from shared.errors import Rejected
from shared.state.drift import Finding

TABLE: dict[str, Callable[[Snapshot], Iterator[Finding]]] = {
    order.ENTITY: order.compare,
    payment.ENTITY: payment.compare,
    fulfilment.ENTITY: fulfilment.compare,
}


def entities(name: str = "") -> tuple[str, ...]:
    """The entity of this name, all for none. Raises Rejected for one that is not compared."""
    if name and name not in TABLE:
        raise Rejected(f"{name} is not compared: {', '.join(TABLE)} are")
    return (name,) if name else tuple(TABLE)


def findings(seen: Snapshot, of: Iterable[str]) -> list[Finding]:
    """What differs, less what would be sent through only to put before a person what that person has settled."""
    found = (finding for name in of for finding in TABLE[name](seen))
    return [one for one in found if not (one.repairable and seen.is_decided(one.entity))]
