"""The plan in tables: what Heartland has, what Shopify says, which calls remain."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.entities.order.heartland.orders import SalesOrder, SalesOrderLine, SalesOrderPayment, SalesOrderTax
from shared.entities.order.record import Order
from shared.entities.order.settings import HeartlandOrderSettings
from shared.entities.order.to_heartland.actual_order import ActualOrder
from shared.entities.order.to_heartland.desired import desired_order
from shared.entities.order.to_heartland.payments import absent_payments
from shared.entities.order.to_heartland.plan import TAX_REVERSAL, plan_order
from shared.entities.order.to_heartland.references import References
from shared.entities.order.to_heartland.steps import (
    AddLine,
    AddPayment,
    AddTax,
    CancelOrder,
    ChangeLine,
    ChangeOrder,
    CreateOrder,
    ReadInvoices,
    ReadTaxes,
    RemoveLine,
    Step,
)  # fmt: skip
from shared.sync.plan import Plan
from tests.support.orders import AT, a_line, a_tender, an_order

SETTINGS = HeartlandOrderSettings()
HERE = References(
    items={"SKU-1": 1, "SKU-2": 2, "SKU-3": 3, "MISC": 9},
    payment_types={"shopify_payments": 7, "gift_card": 8},
    customer_id=50,
    billing_address_id=None,
    shipping_address_id=61,
    source_location_id=100,
    station_id=14,
    ship_from_location_id=100,
)


def plan(order: Order, known: ActualOrder | None, **settings: Any) -> Plan[Step]:
    return plan_order(order, desired_order(order, SETTINGS), HERE, known, SETTINGS.model_copy(update=settings))


def a_sales_order(**changes: Any) -> SalesOrder:
    values = {
        "id": 500, "public_id": "S-1001", "status": "open", "customer_id": 50, "shipping_address_id": 61,
        "shipping_charge": Decimal("5.00"), "custom": {"shopify_order_id": "5001"},
    }  # fmt: skip
    return SalesOrder.model_validate({**values, **changes})


def a_known_line(
    number: int, qty: int = 1, price: str = "10.00", mark: str | None = None, **changes: Any
) -> SalesOrderLine:
    custom = {"shopify_line_id": str(9000 + number) if mark is None else mark}
    values = {"id": 700 + number, "item_id": number, "qty": qty, "adjusted_unit_price": price, "custom": custom}
    return SalesOrderLine.model_validate({**values, **changes})


PAID = SalesOrderPayment.model_validate(
    {"id": 900, "payment_type_id": 7, "amount": "26.40", "custom": {"shopify_transaction_id": "6001"}}
)
TAX = SalesOrderTax.model_validate({"id": 800, "description": "State tax", "value": "1.40"})
# Just as `an_order()` should stand.
SAME = ActualOrder(a_sales_order(), (a_known_line(1), a_known_line(2)), (TAX,), (PAID,))


def kinds(result: Plan) -> list[type[Step]]:
    return [type(step) for step in result.steps]


def test_an_order_that_is_nowhere_is_created_first() -> None:
    result = plan(an_order(), None)

    assert kinds(result) == [CreateOrder]
    assert not result.complete
    body = result.steps[0].body  # type: ignore[union-attr]
    assert body["public_id"] == "S-1001"
    assert body["custom"] == {"shopify_order_id": "5001"}
    assert body["status"] == "pending"
    assert "billing_address_id" not in body


def test_an_order_that_is_as_it_should_be_needs_nothing() -> None:
    assert plan(an_order(), SAME) == Plan(())


def test_a_half_built_order_is_finished_never_rebuilt() -> None:
    half = ActualOrder(a_sales_order(status="pending"), (a_known_line(1),))

    first = plan(an_order(), half)
    second = plan(an_order(), replace(half, lines=SAME.lines, taxes_stale=True))
    third = plan(an_order(), replace(half, lines=SAME.lines))

    assert kinds(first) == [AddLine]
    assert kinds(second) == [ReadTaxes]
    assert kinds(third) == [AddTax, AddPayment, ChangeOrder]


def lines_of(number: int, **changes: Any) -> Order:
    order = an_order()
    changed = tuple(a_line(i + 1, **changes) if i + 1 == number else line for i, line in enumerate(order.lines))
    return an_order(lines=changed)


EDITED: list[Any] = [
    pytest.param(lines_of(1, quantity=2), [ChangeLine(701, {
        "qty": 2, "original_unit_price": Decimal("10.00"), "adjusted_unit_price": Decimal("10.00"),
        "total_tax": Decimal("0.70"),
    })], id="a larger quantity"),
    pytest.param(lines_of(2, removed=1), [RemoveLine(702)], id="a line taken off"),
]  # fmt: skip


@pytest.mark.parametrize(("order", "steps"), EDITED)
def test_edits_change_lines_in_place(order: Order, steps: list[Step]) -> None:
    result = plan(order, replace(SAME, invoiced=False))

    assert list(result.steps) == steps
    assert not result.complete


def test_an_edit_of_an_open_order_asks_for_its_invoices_first() -> None:
    assert kinds(plan(lines_of(1, quantity=2), SAME)) == [ReadInvoices]


@pytest.mark.parametrize("known", [replace(SAME, invoiced=True), replace(SAME, order=a_sales_order(status="closed"))])
def test_an_edit_after_the_invoice_is_for_a_person(known: ActualOrder) -> None:
    result = plan(lines_of(1, quantity=2), known)

    assert [(problem.kind, problem.blocks) for problem in result.problems] == [("edit_after_invoice", True)]
    assert not any(isinstance(step, AddLine | ChangeLine | AddTax) for step in result.steps)


def test_without_delete_a_line_is_set_to_nothing() -> None:
    result = plan(lines_of(2, removed=1), replace(SAME, invoiced=False), can_delete_order_line=False)

    assert result.steps == (ChangeLine(702, {"qty": 0, "total_tax": Decimal(0)}),)


def test_lines_without_our_mark_are_known_by_item_quantity_and_price() -> None:
    unmarked = (a_known_line(1, mark=""), a_known_line(2, mark=""))

    assert plan(an_order(), replace(SAME, lines=unmarked)) == Plan(())


def test_somebody_elses_line_is_left_alone_and_reported() -> None:
    result = plan(an_order(), replace(SAME, lines=(*SAME.lines, a_known_line(3, mark=""))))

    assert result.steps == ()
    assert [problem.kind for problem in result.problems] == ["extra_lines"]


def test_the_two_parts_of_one_line_are_told_apart_by_price() -> None:
    line = a_line(1, quantity=3, discounts=({"label": "TEN", "amount": "1.00"},), taxes=())
    parts = (a_known_line(1, 2, "9.67"), a_known_line(1, 1, "9.66", id=799))
    order = an_order(lines=(line,))

    result = plan(order, ActualOrder(a_sales_order(), parts, (), SAME.payments))

    assert not any(isinstance(step, AddLine | ChangeLine | RemoveLine) for step in result.steps)


@pytest.mark.parametrize(
    ("there", "steps"),
    [
        pytest.param([], [("State tax", "1.40")], id="none there"),
        pytest.param([("State tax", "1.40")], [], id="already there"),
        pytest.param([("Sales tax", "1.3")], [(TAX_REVERSAL, "-1.3"), ("State tax", "1.40")], id="computed there"),
        pytest.param([("State tax", "1.32")], [("State tax", "0.08")], id="computed under the same title"),
        pytest.param(
            [("Sales tax", "1.32"), (TAX_REVERSAL, "-1.32"), ("State tax", "1.40")], [], id="taken back already"
        ),
        pytest.param(
            [("Sales tax", "2.00"), (TAX_REVERSAL, "-1.32"), ("State tax", "1.40")], [(TAX_REVERSAL, "-0.68")],
            id="computed anew",
        ),
    ],
)  # fmt: skip
def test_taxes_come_to_shopifys_to_the_cent(there: list[tuple[str, str]], steps: list[tuple[str, str]]) -> None:
    taxes = tuple(SalesOrderTax.model_validate({"description": title, "value": value}) for title, value in there)

    result = plan(an_order(), replace(SAME, taxes=taxes))

    assert [
        (step.body["description"], str(step.body["value"])) for step in result.steps if isinstance(step, AddTax)
    ] == (steps)


TWICE = (a_tender("10.00", 1), a_tender("10.00", 2), a_tender("6.40", 3, gateway="gift_card"))


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        pytest.param([], ["6001", "6002", "6003"], id="none"),
        pytest.param([("6002", 7, "10.00")], ["6001", "6003"], id="one by its transaction"),
        pytest.param([("", 7, "10.00")], ["6002", "6003"], id="one without mark counts once"),
        pytest.param([("", 7, "10.00"), ("", 7, "10.00"), ("", 8, "6.40")], [], id="all without marks"),
        pytest.param([("", 8, "10.00")], ["6001", "6002"], id="another type, and then the order owes no more"),
    ],
)
def test_each_payment_is_brought_in_once(there: list[tuple[str, int, str]], missing: list[str]) -> None:
    payments = tuple(
        SalesOrderPayment.model_validate(
            {"payment_type_id": type_, "amount": amount, "custom": {"shopify_transaction_id": mark} if mark else {}}
        )
        for mark, type_, amount in there
    )

    result = plan(an_order(tenders=TWICE), replace(SAME, payments=payments))

    assert [step.transaction_id for step in result.steps if isinstance(step, AddPayment)] == missing


@pytest.mark.parametrize(
    ("paid", "there", "refunded", "booked", "over"),
    [
        pytest.param(["26.40"], [], "0", [("6001", "26.40")], "", id="as much as it costs"),
        pytest.param(["30.00"], [], "0", [("6001", "26.40")], "3.60", id="more than it costs"),
        pytest.param(["30.00"], [], "3.60", [("6001", "26.40")], "", id="which was paid back"),
        pytest.param(["30.00"], [], "1.00", [("6001", "26.40")], "2.60", id="of which a part was paid back"),
        pytest.param(["26.40"], [], "5.00", [("6001", "26.40")], "", id="a refund is no reason to book less"),
        pytest.param(["20.00", "20.00"], [], "0", [("6001", "20.00"), ("6002", "6.40")], "13.60", id="by two payments"),
        pytest.param(["30.00"], [("6001", "26.40")], "0", [], "3.60", id="booked before"),
        pytest.param(["30.00"], [("6001", "20.00")], "0", [("6001/2", "6.40")], "3.60", id="the order grew"),
        pytest.param(
            ["30.00"], [("6001", "20.00"), ("6001/2", "3.00")], "0", [("6001/3", "3.40")], "3.60", id="and grew again"
        ),
        pytest.param(["30.00"], [("6001", "20.00")], "10.00", [], "", id="grew after the rest was paid back"),
        pytest.param(["30.00"], [("6001", "20.00")], "8.00", [("6001/2", "2.00")], "", id="or a part of the rest"),
        pytest.param(
            ["30.00", "6.40"], [("6001", "20.00")], "10.00", [("6002", "6.40")], "", id="and was paid for anew"
        ),
        pytest.param(["30.00", "6.40"], [("6001", "20.00")], "0", [("6002", "6.40")], "10.00", id="new money first"),
        pytest.param(["30.00"], [("6001", "30.00")], "0", [], "3.60", id="booked whole before it was edited down"),
        pytest.param(["30.00"], [("6001", "30.00")], "3.60", [], "", id="and paid back"),
        pytest.param(["26.40"], [("60011", "5.00")], "0", [("6001", "21.40")], "5.00", id="another one's money there"),
        pytest.param(["30.00", "5.00"], [("6001", "30.00")], "0", [], "8.60", id="and another came after that"),
        pytest.param(["30.00"], [("", "20.00")], "0", [("6001/2", "6.40")], "3.60", id="a part without a mark"),
        pytest.param(
            ["30.00", "20.00"],
            [("", "20.00")],
            "0",
            [("6001", "6.40")],
            "23.60",
            id="a mark is missing: the same first",
        ),
        pytest.param(["30.00"], [("", "30.01")], "0", [], "30.00", id="without a mark, and more than was taken"),
    ],
)
def test_no_more_is_booked_than_the_order_owes(
    paid: list[str], there: list[tuple[str, str]], refunded: str, booked: list[tuple[str, str]], over: str
) -> None:
    order = an_order(tenders=tuple(a_tender(amount, number) for number, amount in enumerate(paid, 1)))
    payments = tuple(
        SalesOrderPayment.model_validate(
            {"payment_type_id": 7, "amount": amount, "custom": {"shopify_transaction_id": mark} if mark else {}}
        )
        for mark, amount in there
    )
    known, wanted = (
        replace(SAME, payments=payments),
        replace(desired_order(order, SETTINGS), refunded=Decimal(refunded)),
    )

    result = plan_order(order, wanted, HERE, known, SETTINGS)

    steps = [step for step in result.steps if isinstance(step, AddPayment)]
    assert [(step.transaction_id, str(step.body["amount"])) for step in steps] == booked
    assert [step.operation for step in steps] == [f"payment:{transaction}" for transaction, _ in booked]
    assert [problem.details["over"] for problem in result.problems] == ([over] if over else [])


def test_what_is_kept_of_cash_depends_on_the_order_and_makes_no_further_part() -> None:
    order = an_order(tenders=(a_tender("26.40", 1, gateway="cash"),))
    known = replace(SAME, payments=(PAID.model_copy(update={"amount": Decimal("24.40")}),))

    references = replace(HERE, payment_types={"cash": 7})
    assert plan_order(order, desired_order(order, SETTINGS), references, known, SETTINGS).steps == ()


def test_after_the_invoice_no_more_is_booked_than_heartlands_order_owes() -> None:
    lines = (a_line(1), a_line(2), a_line(3))
    order = an_order(lines=lines)
    extra = str(order.total - Decimal("26.40"))
    order = order.model_copy(update={"tenders": (a_tender("26.40", 1), a_tender(extra, 2))})

    result = plan(order, replace(SAME, invoiced=True))

    assert result.steps == ()
    assert [problem.kind for problem in result.problems] == ["edit_after_invoice"]


@pytest.mark.parametrize(
    ("marks", "absent"),
    [
        (["6001"], {"payment:6002", "payment:6001/2"}),
        ([], {"payment:6001", "payment:6002", "payment:6001/2"}),
        ([""], set()),
    ],
)
def test_a_payment_is_absent_unless_one_without_a_mark_may_be_it(marks: list[str], absent: set[str]) -> None:
    payments = tuple(
        PAID.model_copy(update={"custom": {"shopify_transaction_id": mark} if mark else {}}) for mark in marks
    )

    operations = ("order:create", "payment:6001", "payment:6002", "payment:6001/2")
    assert absent_payments(operations, replace(SAME, payments=payments), SETTINGS) == absent


def test_an_account_that_takes_more_than_an_order_owes_gets_it() -> None:
    order = an_order(tenders=(a_tender("30.00", 1),))
    settings = SETTINGS.model_copy(update={"payments_within_balance": False})

    result = plan_order(order, desired_order(order, settings), HERE, replace(SAME, payments=()), settings)

    [step] = [step for step in result.steps if isinstance(step, AddPayment)]
    assert step.body["amount"] == Decimal("30.00")
    assert [problem.details["over"] for problem in result.problems] == ["3.60"]


def test_a_new_address_changes_the_header_only() -> None:
    known = replace(SAME, order=a_sales_order(shipping_address_id=60))

    assert plan(an_order(), known).steps == (ChangeOrder({"shipping_address_id": 61}),)


def test_what_shopify_does_not_know_blanks_nothing() -> None:
    known = replace(SAME, order=a_sales_order(billing_address_id=62))

    assert plan(an_order(), known).steps == ()


def test_a_note_goes_to_its_custom_field_alone() -> None:
    order = an_order(note="ring twice")

    assert plan(order, SAME, note_field="web_note").steps == (ChangeOrder({"custom@web_note": "ring twice"}),)


def cancelled() -> Order:
    return an_order(cancelled_at=AT + timedelta(hours=1))


@pytest.mark.parametrize(
    ("known", "settings", "steps", "problems"),
    [
        pytest.param(SAME, {}, [ReadInvoices()], [], id="open: is it shipped?"),
        pytest.param(replace(SAME, invoiced=False), {}, [CancelOrder()], [], id="open and not shipped"),
        pytest.param(replace(SAME, invoiced=True), {}, [], ["cancel_by_hand"], id="shipped, and open for the rest"),
        pytest.param(replace(SAME, order=a_sales_order(status="pending")), {}, [CancelOrder()], [], id="never opened"),
        pytest.param(
            replace(SAME, invoiced=False), {"can_cancel_order": False}, [], ["cancel_by_hand"], id="the API cannot"
        ),
        pytest.param(replace(SAME, order=a_sales_order(status="closed")), {}, [], ["cancel_by_hand"], id="shipped"),
        pytest.param(replace(SAME, order=a_sales_order(status="canceled")), {}, [], [], id="done"),
    ],
)
def test_a_cancellation(known: ActualOrder, settings: dict[str, Any], steps: list[Step], problems: list[str]) -> None:
    result = plan(cancelled(), known, **settings)

    assert list(result.steps) == steps
    assert [problem.kind for problem in result.problems] == problems


def test_an_order_canceled_in_heartland_alone_is_for_a_person() -> None:
    result = plan(an_order(), replace(SAME, order=a_sales_order(status="Canceled")))

    assert [problem.kind for problem in result.problems] == ["canceled_in_heartland"]
    assert result.steps == ()
