"""Plans the order lines to add, change and remove. Pure.

Lines are recognised by Shopify's line id in their custom field; where Heartland did not keep it, by item, quantity and
price. One Shopify line may be two lines in Heartland (see desired.py), so the id alone does not tell which.
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
    """`strangers` are lines that stand in Heartland for no reason we know: somebody else's, left alone."""

    steps: list[Edit] = field(default_factory=list)
    strangers: list[SalesOrderLine] = field(default_factory=list)


def edit_lines(
    desired: Sequence[DesiredLine],
    there: Sequence[SalesOrderLine],
    references: References,
    rules: HeartlandOrderSettings,
) -> Edits:
    """The steps that make the lines match."""
    missing, spare = list(desired), [line for line in there if line.type == "ItemLine"]
    likeness = partial(_alike, items=references.items, field=rules.line_id_field)
    for marked in (True, False):
        _pair(missing, spare, partial(likeness, marked=marked, exact=True))
    edits = Edits()
    for marked in (True, False):
        pairs = _pair(missing, spare, partial(likeness, marked=marked, exact=False))
        edits.steps += [ChangeLine(other.id, _changes(line)) for line, other in pairs]
    edits.steps += [AddLine(_body(line, references, rules)) for line in missing]
    for other in spare:
        _drop(other, edits, rules)
    return edits


def _alike(
    line: DesiredLine, other: SalesOrderLine, *, items: Mapping[str, int], field: str, marked: bool, exact: bool
) -> bool:
    """Whether `other` is `line`: by our mark or, where it has none, by item; `exact`: in quantity and price too."""
    mark = other.custom.get(field, "")
    if mark != (line.line_id if marked else "") or items[line.sku] != other.item_id:
        return False
    return not exact or (line.qty == other.qty and line.price == other.unit_price)


def _pair(
    missing: list[DesiredLine], spare: list[SalesOrderLine], matches: Matches
) -> list[tuple[DesiredLine, SalesOrderLine]]:
    """Take what matches off both lists, first come first served."""
    pairs: list[tuple[DesiredLine, SalesOrderLine]] = []
    for line in list(missing):
        at = next((at for at, other in enumerate(spare) if matches(line, other)), None)
        if at is not None:
            missing.remove(line)
            pairs.append((line, spare.pop(at)))
    return pairs


def _drop(line: SalesOrderLine, edits: Edits, rules: HeartlandOrderSettings) -> None:
    if not line.qty:
        return
    if not line.custom.get(rules.line_id_field):
        edits.strangers.append(line)
    elif rules.can_delete_order_line:
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


def _body(line: DesiredLine, references: References, rules: HeartlandOrderSettings) -> dict[str, object]:
    body = {
        "item_id": references.items[line.sku],
        **_changes(line),
        "ship_from_location_id": references.ship_from_location_id,
        "custom": {rules.line_id_field: line.line_id},
    }
    return {**body, "description": line.description} if line.description else body
