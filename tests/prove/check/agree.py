"""Both systems agree at the end, to the cent: on orders, on what was shipped of them, and on who is who."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from tests.prove.check import fulfilment, order
from tests.prove.check.case import Case
from tests.prove.check.report import Violation
from tests.prove.check.road import ENDS, Road
from tests.prove.history import Mutation

Json = dict[str, Any]
# Of so many orders a person may be asked; more are no exception any more.
_FOR_A_PERSON = 0.02


def check(case: Case) -> Iterator[Violation]:
    explained = []
    for name, life in case.lives().items():
        book = case.books.get(name) or {}
        for entity, differences in ENTITIES.items():
            found = list(differences(case, life, book))
            if found and _is_for_a_person(case.road, entity, name):
                explained.append(f"{entity} {life[0].name}")
                continue
            for text in found:
                yield Violation("disagreeing", f"{entity} {life[0].name} ({name}): {text}")
    for text in _mixed_up(case):
        yield Violation("disagreeing", text)
    if len(explained) > _FOR_A_PERSON * max(len(case.lives()), 50):
        yield Violation("disagreeing", f"{len(explained)} differences wait for a person: {', '.join(explained[:5])}")


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


def _is_for_a_person(road: Road, entity: str, name: str) -> bool:
    """Whether the last that was said of the record is that a person has to decide."""
    hops = [
        hop
        for (service, _), found in road.hops.items()
        if service == _WRITERS[entity]
        for hop in found
        if hop.outcome in ENDS and hop.key.partition("|")[2] == name
    ]
    return bool(hops) and max(hops, key=lambda hop: hop.at).outcome == "review"


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
