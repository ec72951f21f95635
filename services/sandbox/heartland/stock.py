"""Stock by item and location (on hand, committed), and the ledger of movements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from services.sandbox.heartland.decimal_json import Number
from services.sandbox.heartland.table import Row


class Movement(NamedTuple):
    item_id: int
    location_id: int
    created_at: str
    on_hand: Number
    committed: Number
    source_type: str
    source_id: int


NOTHING: Final[tuple[Number, Number]] = (0, 0)


class Stock:
    def __init__(self, now: Callable[[], str]) -> None:
        self._now = now
        self._values: dict[int, dict[int, tuple[Number, Number]]] = {}
        self.movements: list[Movement] = []

    def move(self, place: tuple[int, int], on_hand: Number, committed: Number, source: tuple[str, int]) -> None:
        """Adds to the stock of an (item, location); on hand may become negative."""
        item, location = place
        if not on_hand and not committed:
            return
        at_item = self._values.setdefault(item, {})
        old_hand, old_committed = at_item.get(location, NOTHING)
        at_item[location] = (old_hand + on_hand, old_committed + committed)
        self.movements.append(Movement(item, location, self._now(), on_hand, committed, *source))

    def at(self, item: int, location: int) -> tuple[Number, Number]:
        """Quantity on hand and committed."""
        return self._values.get(item, {}).get(location, NOTHING)

    def places(self, item: int | None = None) -> Iterator[tuple[int, int, Number, Number]]:
        items = self._values if item is None else {item: self._values.get(item, {})}
        for number, locations in items.items():
            for location, (on_hand, committed) in locations.items():
                yield number, location, on_hand, committed


def shown(number: int, movement: Movement) -> Row:
    return {
        "id": number,
        "item_id": movement.item_id,
        "location_id": movement.location_id,
        "created_at": movement.created_at,
        "delta_qty": movement.on_hand,
        "delta_qty_committed": movement.committed,
        "source_type": movement.source_type,
        "source_id": movement.source_id,
    }
