"""The canonical order adds itself up, and is read by those who know less or more of it."""

from __future__ import annotations

from decimal import Decimal

import orjson
import pytest
from pydantic import ValidationError

from shared.canonical.event import content_hash
from shared.entities.order.event import OrderEvent
from shared.entities.order.record import Discount, Order, TaxLine
from tests.support.orders import AT, a_line, a_tender, an_order


def test_the_parts_make_the_total() -> None:
    order = an_order(
        tip="3.00", duties="2.00", fees="1.00", rounding="-0.02",
        order_discounts=(Discount(label="OLD", amount="4.00"),),
        order_taxes=(TaxLine(title="Import", rate="0.1", amount="0.50"),),
    )  # fmt: skip

    assert order.tax == Decimal("1.90")
    assert order.total == Decimal("20.00") + 5 + 3 + 2 + 1 - Decimal("0.02") - 4 + Decimal("1.90")
    assert order.difference == 0


def test_included_taxes_are_not_added() -> None:
    assert an_order(taxes_included=True).total == Decimal("25.00")


def test_a_line_nets_its_discounts() -> None:
    line = a_line(quantity=3, discounts=(Discount(label="A", amount="1.00"), Discount(label="B", amount="0.01")))

    assert (line.gross, line.discount, line.net) == (Decimal("30.00"), Decimal("1.01"), Decimal("28.99"))


def test_what_came_in_is_the_sum_of_the_tenders() -> None:
    order = an_order(tenders=(a_tender("10.00"), a_tender("6.40", 2, "gift_card")))

    assert order.paid == Decimal("16.40")


def test_an_order_survives_the_wire_and_ignores_what_it_does_not_know() -> None:
    order = an_order(note="naïve — 日本", tip="0.10")
    wire = orjson.loads(order.model_dump_json())

    assert Order.model_validate_json(orjson.dumps({**wire, "field_of_tomorrow": 1})) == order
    assert wire["tip"] == "0.10"


def test_no_float_gets_in() -> None:
    with pytest.raises(ValidationError):
        an_order(tip=0.1)


def test_the_hash_is_of_the_content() -> None:
    order = an_order()

    assert content_hash(order) == content_hash(Order.model_validate_json(order.model_dump_json()))
    assert content_hash(order) != content_hash(order.model_copy(update={"note": "x"}))
    later = order.model_copy(update={"updated_at": AT.replace(hour=11)})
    assert content_hash(order, ignore=frozenset({"updated_at"})) == content_hash(
        later, ignore=frozenset({"updated_at"})
    )


def test_an_event_survives_the_wire() -> None:
    event = OrderEvent(
        schema_name="tillbridge.order/1", connection="demo", entity="order", source="shopify", key="5001", version=AT,
        content_hash="abc", lineage=("webhook-1",), read_at=AT, record=an_order(with_lines=3),
    )  # fmt: skip

    assert OrderEvent.model_validate_json(event.model_dump_json()) == event
