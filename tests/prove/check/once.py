"""No fact is applied twice: each order, payment, line, customer and shipment was written once, say the vendors."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from tests.prove.check.case import Case, Write
from tests.prove.check.report import Violation

Json = dict[str, Any]


def check(case: Case) -> Iterator[Violation]:
    applied = [write for write in case.writes if write.applied]
    for what, names in (
        ("order", _orders(applied)),
        ("payment", _payments(applied)),
        ("customer", _customers(applied)),
        ("shipped unit", _shipped(applied)),
    ):
        for name, writes in _by_name(names).items():
            if len(writes) > 1:
                yield Violation("duplicated", f"{what} {name} was written {len(writes)} times: {_listed(writes)}")
    for text in _standing_twice(applied):
        yield Violation("duplicated", text)


def _by_name(pairs: Iterable[tuple[str, Write]]) -> dict[str, list[Write]]:
    found: defaultdict[str, list[Write]] = defaultdict(list)
    for name, write in pairs:
        found[name].append(write)
    return found


def _listed(writes: Iterable[Write]) -> str:
    return ", ".join(map(str, writes))


def _orders(writes: Iterable[Write]) -> Iterator[tuple[str, Write]]:
    for write in writes:
        if write.operation == "POST sales/orders":
            yield str(write.body["custom"]["shopify_order_id"]), write


def _payments(writes: Iterable[Write]) -> Iterator[tuple[str, Write]]:
    for write in writes:
        if write.operation == "POST sales/orders/#/payments":
            yield str(write.body["custom"]["shopify_transaction_id"]), write


def _customers(writes: Iterable[Write]) -> Iterator[tuple[str, Write]]:
    for write in writes:
        if write.operation == "POST customers":
            yield str(write.body.get("email") or write.body.get("public_id")).lower(), write


def _shipped(writes: Iterable[Write]) -> Iterator[tuple[str, Write]]:
    """By the tracking number, which every shipment has of its own, and the line that is shipped."""
    for write in writes:
        if write.operation != "fulfillmentCreate" or not made_fulfilment(write):
            continue
        wish = write.body["variables"]["fulfillment"]
        number = (wish.get("trackingInfo") or {}).get("number")
        for part in wish["lineItemsByFulfillmentOrder"]:
            for line in part["fulfillmentOrderLineItems"]:
                yield f"{line['id'].rsplit('/', 1)[-1]} under {number}", write


def made_fulfilment(write: Write) -> bool:
    """Shopify answers 200 to what it refuses too."""
    payload = (write.response.get("data") or {}).get("fulfillmentCreate") or {}
    return bool(payload.get("fulfillment")) and not payload.get("userErrors")


def _standing_twice(writes: Iterable[Write]) -> Iterator[str]:
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


def facts(case: Case) -> Counter[str]:
    """How many facts the vendors took: for the count of what was checked."""
    applied = [write for write in case.writes if write.applied]
    return Counter(
        orders=sum(1 for _ in _orders(applied)),
        payments=sum(1 for _ in _payments(applied)),
        shipments=sum(1 for write in applied if write.operation == "fulfillmentCreate" and made_fulfilment(write)),
    )
