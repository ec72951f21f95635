"""Chooses the order lines to ship, and the location to ship from."""

from __future__ import annotations

from services.sandbox.heartland.account import MAIN_STREET, Heartland
from services.sandbox.heartland.decimal_json import Number
from services.sandbox.heartland.rejection import invalid
from services.sandbox.heartland.table import Row

Quantities = list[tuple[Row, Number]]


def lines_to_ship(account: Heartland, order: Row, asked: list[Row] | None) -> Quantities:
    """Order lines with quantities: those in `asked` by line id or SKU, or all uninvoiced units if None.

    Raises Rejection for a line that the order does not have.
    """
    lines = account["order_lines"].children(order["id"])
    left = {line["id"]: line["qty"] - account.internal.claimed.get(line["id"], 0) for line in lines}
    if asked is None:
        return [(line, left[line["id"]]) for line in lines if left[line["id"]] > 0]
    wanted: Quantities = []
    for part in asked:
        wanted.extend(_taken(account, part, lines, left))
    return wanted


def _taken(account: Heartland, part: Row, lines: list[Row], left: dict[int, Number]) -> Quantities:
    mine = [line for line in lines if part.get("line_id") == line["id"] or part.get("sku") == sku_of(account, line)]
    if not mine:
        raise invalid("lines", f"has no line for {part.get('line_id') or part.get('sku')}")
    qty = part.get("qty")
    qty = sum(left[line["id"]] for line in mine) if qty is None else qty
    taken: Quantities = []
    for line in mine:
        # Excess units are assigned to the last line, where the quantity check rejects them.
        share = qty if line is mine[-1] else min(qty, left[line["id"]])
        if share > 0:
            taken.append((line, share))
            left[line["id"]] -= share
            qty -= share
    return taken


def ships_from(wanted: Quantities) -> int:
    """The ship-from location of the first line that has one."""
    places = [line["ship_from_location_id"] for line, _ in wanted if line["ship_from_location_id"] is not None]
    return int(places[0]) if places else MAIN_STREET


def sku_of(account: Heartland, line: Row) -> str:
    return str(account.item(line["item_id"])["public_id"])
