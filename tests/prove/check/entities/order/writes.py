"""What Heartland was told of orders, write by write."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from tests.prove.check.case import Case, Write
from tests.prove.check.entities.order.state import number_of
from tests.prove.check.entity import Fact


def facts(writes: Sequence[Write]) -> Iterator[Fact]:
    """Each order, payment and customer."""
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


def standing_twice(writes: Sequence[Write]) -> Iterator[str]:
    """Lines of an order that were added while one like them stood there already.

    A Shopify line may stand as two lines whose prices differ, and a line that was taken off may come again.
    """
    standing: dict[str, tuple[str, str, str]] = {}
    for write in writes:
        if write.operation == "POST sales/orders/#/lines":
            mark = str(write.body["custom"].get("shopify_line_id"))
            name = (write.path.split("/lines")[0], mark, str(write.body["adjusted_unit_price"]))
            if name in standing.values():
                yield f"line {mark} at {name[2]} was added to {name[0]} twice, the second time by {write}"
            standing[str(write.response.get("location"))] = name
        elif write.operation == "DELETE sales/orders/#/lines/#":
            standing.pop(write.path, None)
        elif write.operation == "PUT sales/orders/#/lines/#" and write.path in standing:
            path, mark, price = standing[write.path]
            standing[write.path] = (path, mark, str(write.body.get("adjusted_unit_price", price)))


def reordered(case: Case) -> Iterator[str]:
    """Each change leaves its number in the order's note, which travels on into Heartland."""
    last: dict[str, int] = {}
    field = str(case.evidence.settings.get("note_field") or "note")
    for write in case.applied:
        if write.operation == "POST sales/orders":
            path, note = str(write.response.get("location")), (write.body.get("custom") or {}).get(field)
        elif write.operation == "PUT sales/orders/#":
            path, note = write.path, write.body.get(f"custom@{field}")
        else:
            continue
        seq = number_of(note)
        if seq and seq < last.get(path, 0):
            yield f"{path} was told of change {seq} after change {last[path]}, by {write}"
        last[path] = max(seq, last.get(path, 0))


def mixed_up(case: Case) -> Iterator[str]:
    """Two orders of the shop that have one order in Heartland, and the other way round."""
    books = case.books["order"]
    owners: defaultdict[str, set[str]] = defaultdict(set)
    made: defaultdict[str, set[str]] = defaultdict(set)
    for write in _of("POST sales/orders", case.applied):
        made[str(write.body["custom"]["shopify_order_id"])].add(str(write.response.get("location")))
    for name, book in books.items():
        if there := book.get("heartland"):
            owners[str(there["order"]["id"])].add(name)
    for number, names in owners.items():
        if len(names) > 1:
            yield f"Heartland's order {number} stands for {', '.join(sorted(names))}"
    for name in sorted(made.keys() - books.keys()):
        yield f"Heartland has {', '.join(made[name])} for the order {name}, which nobody placed"
