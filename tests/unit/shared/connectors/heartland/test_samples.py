"""The recorded payloads of other integrators, as our models read them."""

from __future__ import annotations

from decimal import Decimal

from shared.connectors.heartland import decimal_json
from shared.connectors.heartland.errors import refusal
from shared.entities.order.heartland.items import Item
from shared.entities.order.heartland.orders import SalesOrderLine
from tests.support.samples import sample


def test_a_line_whose_price_was_never_adjusted() -> None:
    rows = decimal_json.loads(sample("heartland", "sales_ticket_lines_item.json"))["results"]

    line = SalesOrderLine.read(rows[0])

    assert (line.item_id, line.adjusted_unit_price, line.unit_price) == (108028, None, Decimal(0))


def test_an_item_with_question_marks_in_its_names() -> None:
    item = Item.read(decimal_json.loads(sample("heartland", "webhook_item_created_snake.json")))

    assert item.id
    assert item.public_id


def test_a_refusal_that_only_lists_fields() -> None:
    error = refusal("POST customers", 422, decimal_json.loads(sample("heartland", "error_validation_422.json")))

    assert error.code == "validation_error"
    assert error.details["email"] == ("is required", "must be valid")
