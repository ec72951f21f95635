"""The writes of orders to Heartland: unique facts, double lines, order of changes, wrong links."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from tests.prove.check.entities.order.state import number_of
from tests.prove.check.entity import Fact
from tests.prove.check.run_data import RunData, Write


def facts(writes: Sequence[Write]) -> Iterator[Fact]:
    """Each created order, payment and customer."""
    for write in _of("POST sales/orders", writes):
        yield "order", str(write.body["custom"]["shopify_order_id"]), write
    for write in _of("POST sales/orders/#/payments", writes):
        yield "payment", str(write.body["custom"]["shopify_transaction_id"]), write
    for write in _of("POST customers", writes):
        yield "customer", str(write.body.get("email") or write.body.get("public_id")).lower(), write


def counts(writes: Sequence[Write]) -> Counter[str]:
    return Counter(payments=sum(1 for _ in _of("POST sales/orders/#/payments", writes)))


def _of(operation: str, writes: Sequence[Write]) -> Iterator[Write]:
    return (write for write in writes if write.operation == operation)


def added_twice(writes: Sequence[Write]) -> Iterator[str]:
    """Lines that were added to an order which already had the same line at the same price.

    A Shopify line may be two Heartland lines with different prices, and a deleted line may be added again.
    """
    present: dict[str, tuple[str, str, str]] = {}
    for write in writes:
        if write.operation == "POST sales/orders/#/lines":
            line_id = str(write.body["custom"].get("shopify_line_id"))
            name = (write.path.split("/lines")[0], line_id, str(write.body["adjusted_unit_price"]))
            if name in present.values():
                yield f"line {line_id} at {name[2]} was added to {name[0]} twice, the second time by {write}"
            present[str(write.response.get("location"))] = name
        elif write.operation == "DELETE sales/orders/#/lines/#":
            present.pop(write.path, None)
        elif write.operation == "PUT sales/orders/#/lines/#" and write.path in present:
            path, line_id, price = present[write.path]
            present[write.path] = (path, line_id, str(write.body.get("adjusted_unit_price", price)))


def reordered(data: RunData) -> Iterator[str]:
    """Changes that were written after a later change, by the number that each change leaves in the order's note."""
    last: dict[str, int] = {}
    field = str(data.evidence.settings.get("note_field") or "note")
    for write in data.applied:
        if write.operation == "POST sales/orders":
            path, note = str(write.response.get("location")), (write.body.get("custom") or {}).get(field)
        elif write.operation == "PUT sales/orders/#":
            path, note = write.path, write.body.get(f"custom@{field}")
        else:
            continue
        seq = number_of(note)
        if seq and seq < last.get(path, 0):
            yield f"change {seq} of {path} was written after change {last[path]}, by {write}"
        last[path] = max(seq, last.get(path, 0))


def identity_errors(data: RunData) -> Iterator[str]:
    """Heartland orders that are linked to several Shopify orders, and Heartland orders that nobody placed."""
    final_state = data.final_state["order"]
    owners: defaultdict[str, set[str]] = defaultdict(set)
    made: defaultdict[str, set[str]] = defaultdict(set)
    for write in _of("POST sales/orders", data.applied):
        made[str(write.body["custom"]["shopify_order_id"])].add(str(write.response.get("location")))
    for name, final in final_state.items():
        if there := final.get("heartland"):
            owners[str(there["order"]["id"])].add(name)
    for number, names in owners.items():
        if len(names) > 1:
            yield f"Heartland order {number} is linked to {', '.join(sorted(names))}"
    for name in sorted(made.keys() - final_state.keys()):
        yield f"Heartland has {', '.join(made[name])} for the order {name}, which was never placed"
