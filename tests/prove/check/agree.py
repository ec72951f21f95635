"""Both systems agree at the end, to the cent: on orders, on what was shipped of them, and on who is who.

Nothing that the generator does has to be decided by a person: where the product left it to one, it still disagrees.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from tests.prove.check import fulfilment, order
from tests.prove.check.case import Case
from tests.prove.check.report import Violation
from tests.prove.check.road import ENDS, Hop
from tests.prove.history import Mutation

Json = dict[str, Any]


def check(case: Case) -> Iterator[Violation]:
    waiting = waiting_for_a_person(case)
    for name, life in case.lives().items():
        book = case.books.get(name) or {}
        for entity, differences in ENTITIES.items():
            asked = f"; a person was asked: {waiting[entity, name]}" if (entity, name) in waiting else ""
            for text in differences(case, life, book):
                yield Violation("disagreeing", f"{entity} {life[0].name} ({name}): {text}{asked}")
    for text in _mixed_up(case):
        yield Violation("disagreeing", text)


def _orders(case: Case, life: Sequence[Mutation], book: Json) -> Iterator[str]:
    there = book.get("heartland")
    if not there:
        yield "Heartland does not have it"
        return
    note_field = str(case.evidence.settings.get("note_field") or "note")
    yield from order.differences(order.expected(life), order.actual(there, note_field))
    yield from _status(life, there)
    yield from _identity(case, book, there)


def _status(life: Sequence[Mutation], there: Json) -> Iterator[str]:
    """Open until everything is shipped. Whether it is cancelled is a difference of the order's own."""
    shipped = [row for row in life if row.action == "ship"]
    wanted = shipped[-1].answer["status"] if shipped else "open"
    if there["order"]["status"] not in (wanted, "canceled"):
        yield f"its status is {there['order']['status']} instead of {wanted}"


def _identity(case: Case, book: Json, there: Json) -> Iterator[str]:
    """The Shopify order names the Heartland order that stands for it."""
    noted = {row["key"]: row["value"] for row in book["shopify"]["metafields"] if row["namespace"] == "tillbridge"}
    prefix = case.evidence.settings.get("order_prefix", "S-")
    wanted = {
        "heartland_order_id": str(there["order"]["id"]),
        "heartland_order_number": f"{prefix}{book['name'].removeprefix('#')}",
    }
    if noted != wanted:
        yield f"Shopify notes {noted} instead of {wanted}"


def _fulfilments(_: Case, life: Sequence[Mutation], book: Json) -> Iterator[str]:
    there, shop = book.get("heartland"), book.get("shopify")
    if there and shop:
        wanted = fulfilment.expected(life, fulfilment.goods(there))
        yield from fulfilment.differences(wanted, fulfilment.actual(shop))


# An entity joins by a file with `expected`, `actual` and `differences`, and by its row here.
ENTITIES: dict[str, Callable[[Case, Sequence[Mutation], Json], Iterable[str]]] = {
    order.ENTITY: _orders,
    fulfilment.ENTITY: _fulfilments,
}
_WRITERS = {order.ENTITY: "heartland_writer", fulfilment.ENTITY: "shopify_writer"}


def waiting_for_a_person(case: Case) -> dict[tuple[str, str], str]:
    """Why, by entity and order, where the last that its writer said of an order is that a person has to decide."""
    last: dict[tuple[str, str], Hop] = {}
    entities = {service: entity for entity, service in _WRITERS.items()}
    for (service, _), found in case.road.hops.items():
        for hop in found if service in entities else ():
            name = entities[service], hop.key.partition("|")[2]
            if hop.outcome in ENDS and (name not in last or hop.at > last[name].at):
                last[name] = hop
    return {name: hop.detail for name, hop in last.items() if hop.outcome == "review"}


def _mixed_up(case: Case) -> Iterator[str]:
    """Two orders of the shop that have one order in Heartland, and the other way round."""
    owners: defaultdict[str, set[str]] = defaultdict(set)
    made: defaultdict[str, set[str]] = defaultdict(set)
    for write in case.writes:
        if write.operation == "POST sales/orders" and write.applied:
            made[str(write.body["custom"]["shopify_order_id"])].add(str(write.response.get("location")))
    for name, book in case.books.items():
        if there := book.get("heartland"):
            owners[str(there["order"]["id"])].add(name)
    for number, names in owners.items():
        if len(names) > 1:
            yield f"Heartland's order {number} stands for {', '.join(sorted(names))}"
    for name in made.keys() - case.books.keys():
        yield f"Heartland has {', '.join(made[name])} for the order {name}, which nobody placed"
