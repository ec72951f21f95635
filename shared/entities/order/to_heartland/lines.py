"""Plans the order lines to add, change and remove. Pure.

A desired and an actual line are matched by Shopify's line id in a custom field and the item; a line without that id, by
the item alone. Pairs with equal quantity and price are matched first, since one Shopify line may be two lines in
Heartland (see desired.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

from shared.entities.order.heartland.orders import SalesOrderLine
from shared.entities.order.settings import HeartlandOrderSettings
from shared.entities.order.to_heartland.desired import DesiredLine
from shared.entities.order.to_heartland.references import References
from shared.entities.order.to_heartland.steps import AddLine, ChangeLine, RemoveLine

Edit = AddLine | ChangeLine | RemoveLine
Matches = Callable[[DesiredLine, SalesOrderLine], bool]


@dataclass(slots=True)
class Edits:
    """`unknown` are lines in Heartland that did not come from Shopify: they are left as they are."""

    steps: list[Edit] = field(default_factory=list)
    unknown: list[SalesOrderLine] = field(default_factory=list)


def edit_lines(
    desired: Sequence[DesiredLine],
    actual: Sequence[SalesOrderLine],
    references: References,
    settings: HeartlandOrderSettings,
) -> Edits:
    """The steps that make the lines match."""
    missing, unmatched = list(desired), [line for line in actual if line.type == "ItemLine"]
    matches = partial(_matches, items=references.items, field=settings.line_id_field)
    for by_line_id in (True, False):
        _pair(missing, unmatched, partial(matches, by_line_id=by_line_id, exact=True))
    edits = Edits()
    for by_line_id in (True, False):
        pairs = _pair(missing, unmatched, partial(matches, by_line_id=by_line_id, exact=False))
        edits.steps += [ChangeLine(other.id, _changes(line)) for line, other in pairs]
    edits.steps += [AddLine(_body(line, references, settings)) for line in missing]
    for other in unmatched:
        _remove(other, edits, settings)
    return edits


def _matches(
    line: DesiredLine, other: SalesOrderLine, *, items: Mapping[str, int], field: str, by_line_id: bool, exact: bool
) -> bool:
    """Whether `other` is `line`: by line id and item, or by item if it has no line id.

    `exact`: quantity and price must be equal too.
    """
    line_id = other.custom.get(field, "")
    if line_id != (line.line_id if by_line_id else "") or items[line.sku] != other.item_id:
        return False
    return not exact or (line.qty == other.qty and line.price == other.unit_price)


def _pair(
    missing: list[DesiredLine], unmatched: list[SalesOrderLine], matches: Matches
) -> list[tuple[DesiredLine, SalesOrderLine]]:
    """Remove matching lines from both lists and return them as pairs; each line takes its first match."""
    pairs: list[tuple[DesiredLine, SalesOrderLine]] = []
    for line in list(missing):
        index = next((index for index, other in enumerate(unmatched) if matches(line, other)), None)
        if index is not None:
            missing.remove(line)
            pairs.append((line, unmatched.pop(index)))
    return pairs


def _remove(line: SalesOrderLine, edits: Edits, settings: HeartlandOrderSettings) -> None:
    if not line.qty:
        return
    if not line.custom.get(settings.line_id_field):
        edits.unknown.append(line)
    elif settings.can_delete_order_line:
        edits.steps.append(RemoveLine(line.id))
    else:
        edits.steps.append(ChangeLine(line.id, {"qty": 0, "total_tax": Decimal(0)}))


def _changes(line: DesiredLine) -> dict[str, object]:
    return {
        "qty": line.qty,
        "original_unit_price": line.original,
        "adjusted_unit_price": line.price,
        "total_tax": line.tax,
    }


def _body(line: DesiredLine, references: References, settings: HeartlandOrderSettings) -> dict[str, object]:
    body = {
        "item_id": references.items[line.sku],
        **_changes(line),
        "ship_from_location_id": references.ship_from_location_id,
        "custom": {settings.line_id_field: line.line_id},
    }
    return {**body, "description": line.description} if line.description else body
