"""What counts as a difference, and what does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.entities.order.compare.snapshot import OrderSnapshot, ReviewDecision
from shared.operations.comparison.subjects import subject_of
from tests.support.messaging import NOON
from tests.support.orders import a_line, a_tender
from tests.unit.shared.entities.order.compare.orders import CENT, a_paid_order, in_agreement, there

SUBJECT = subject_of("order")

AGREED = in_agreement()
TOTAL = AGREED.order.total


def kinds(snapshot: OrderSnapshot) -> list[str]:
    return [finding.kind for finding in SUBJECT.findings(snapshot, SUBJECT.names())]


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        pytest.param(AGREED, [], id="both sides agree"),
        pytest.param(replace(AGREED, heartland=None), ["order_missing"], id="nothing in Heartland"),
        pytest.param(in_agreement(content_hash="older"), ["order_behind"], id="a change was not written"),
        pytest.param(in_agreement(content_hash="", version=None), ["order_behind"], id="its link and version are lost"),
        pytest.param(
            replace(in_agreement(content_hash="older", version=NOON, definitions_version=1), definitions_version=2), [],
            id="another hash by other settings alone",
        ),
        pytest.param(
            replace(in_agreement(content_hash="older", definitions_version=1), definitions_version=2), ["order_behind"],
            id="changed since it was written with other settings",
        ),
        pytest.param(there(AGREED, total=TOTAL - CENT), ["total_differs"], id="off by a cent"),
        pytest.param(there(AGREED, total=None), [], id="an account that shows no totals"),
        pytest.param(there(AGREED, status="canceled"), ["status_differs"], id="cancelled there alone"),
        pytest.param(in_agreement(a_paid_order(cancelled_at=NOON)), ["status_differs"], id="cancelled here alone"),
        pytest.param(
            there(in_agreement(a_paid_order(cancelled_at=NOON)), status="canceled"), [], id="cancelled on both sides"
        ),
        pytest.param(there(AGREED, paid=TOTAL - CENT), ["payment_missing"], id="a cent less is paid there"),
        pytest.param(there(AGREED, paid=TOTAL + CENT), ["payment_exceeds"], id="a cent more is paid there"),
        pytest.param(there(AGREED, paid=None), [], id="an account that shows no payments"),
        pytest.param(
            there(in_agreement(blocked=True, content_hash="x"), total=CENT, paid=CENT), ["order_behind"],
            id="a change that no person was asked about",
        ),
        pytest.param(there(AGREED, unfulfilled_invoices={"7": 2}), ["shipment_missing"], id="not fulfilled in Shopify"),
        pytest.param(there(AGREED, unfulfilled_invoices={"7": None}), ["shipment_missing"], id="unreadable lines"),
        pytest.param(replace(in_agreement(fulfilled_by_invoice={"7": 2}), fulfilled_units=2), [], id="both"),
        pytest.param(
            there(
                replace(in_agreement(fulfilled_by_invoice={"7": 2}), fulfilled_units=2), unfulfilled_invoices={"8": 1}
            ),
            ["shipment_missing"],
            id="the second shipment is missing",
        ),
        pytest.param(
            there(replace(AGREED, fulfilled_units=2), unfulfilled_invoices={"7": 2}), [], id="not in the ledger"
        ),
        pytest.param(
            there(replace(AGREED, fulfilled_units=2), unfulfilled_invoices={"7": 2, "8": 1}), ["shipment_unclear"],
            id="one of two is in Shopify, and our books are lost",
        ),
        pytest.param(
            there(replace(AGREED, fulfilled_units=2), unfulfilled_invoices={"7": None}), ["shipment_unclear"],
            id="something is in Shopify, and what was shipped nobody can read",
        ),
        pytest.param(there(replace(AGREED, fulfilled_units=None), unfulfilled_invoices={"7": 2}), [], id="not shown"),
        pytest.param(
            replace(in_agreement(fulfilled_by_invoice={"7": 2}), fulfilled_units=1), ["fulfilment_gone"],
            id="a fulfilment was cancelled in Shopify",
        ),
        pytest.param(
            replace(in_agreement(fulfilled_by_invoice={"7": 2}), fulfilled_units=3), [], id="more was fulfilled by hand"
        ),
    ],
)  # fmt: skip
def test_differences(snapshot: OrderSnapshot, expected: list[str]) -> None:
    assert kinds(snapshot) == expected


@pytest.mark.parametrize(
    ("stored", "answer"),
    [
        pytest.param({}, True, id="it was written"),
        pytest.param({"in_progress": "a review is open"}, False, id="a review is open"),
        pytest.param({"blocked": True}, False, id="it was not written, and did not change since"),
        pytest.param({"blocked": True, "content_hash": "x"}, True, id="it was not written, and changed since"),
        pytest.param({"blocked": True, "content_hash": "x", "version": NOON}, False, id="a new version hashes anew"),
    ],
)
def test_when_something_may_be_concluded(stored: dict[str, Any], answer: bool) -> None:
    assert in_agreement(**stored).is_quiet is answer


HOUR = timedelta(hours=1)
SETTLED = ReviewDecision(asked_at=NOON + HOUR, decided_at=NOON + 2 * HOUR)
MISSING = replace(in_agreement(decided={"order": SETTLED}), heartland=None)
SHIPPED = there(in_agreement(decided={"fulfilment": SETTLED}), unfulfilled_invoices={"7": 2}, changed_at=NOON)
BEHIND = in_agreement(decided={"order": SETTLED}, content_hash="older")


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        pytest.param(MISSING, [], id="entered by hand, or left out"),
        pytest.param(
            replace(MISSING, order=a_paid_order(updated_at=NOON + 2 * HOUR)), ["order_missing"],
            id="changed since it was asked",
        ),
        pytest.param(there(BEHIND, changed_at=NOON + 2 * HOUR), [], id="put right in Heartland before it was decided"),
        pytest.param(
            there(BEHIND, changed_at=NOON + 3 * HOUR), ["order_behind"], id="changed in Heartland after that"
        ),
        pytest.param(SHIPPED, [], id="a shipment that was fulfilled by hand"),
        pytest.param(
            there(SHIPPED, changed_at=NOON + 2 * HOUR), ["shipment_missing"], id="another shipment since it was asked"
        ),
        pytest.param(replace(SHIPPED, stored=MISSING.stored), ["shipment_missing"], id="another thing was decided"),
        pytest.param(
            there(in_agreement(decided={"order": SETTLED}), paid=TOTAL + CENT), ["payment_exceeds"],
            id="what is never repaired is shown all the same",
        ),
    ],
)  # fmt: skip
def test_what_a_person_settled_is_left_alone_as_long_as_it_stands(snapshot: OrderSnapshot, expected: list[str]) -> None:
    assert kinds(snapshot) == expected


def test_an_order_that_lost_units_is_not_held_against_its_first_total() -> None:
    order = a_paid_order()
    removed = order.model_copy(update={"lines": (a_line(removed=1), *order.lines[1:])})

    assert kinds(there(in_agreement(removed), total=Decimal(1))) == []


def test_tenders_in_another_currency_are_for_a_person() -> None:
    order = a_paid_order(tenders=(a_tender("9.00", currency="CAD"),))

    assert kinds(there(in_agreement(order), paid=Decimal(0))) == []


def test_only_what_is_certain_is_repaired() -> None:
    snapshot = there(AGREED, paid=TOTAL + CENT)

    [finding] = SUBJECT.findings(snapshot, SUBJECT.names())
    assert (finding.repairable, finding.at_risk, finding.currency) == (False, CENT, AGREED.order.currency)


def test_one_entity_alone_is_compared_when_asked_for() -> None:
    snapshot = there(AGREED, paid=CENT, unfulfilled_invoices={"7": 2})

    assert [finding.kind for finding in SUBJECT.findings(snapshot, ["payment"])] == ["payment_missing"]


@pytest.mark.parametrize(
    ("held", "found"),
    [
        pytest.param("30.00", [], id="all of it, booked before the edit"),
        pytest.param("26.40", [], id="what the order costs"),
        pytest.param("28.00", [], id="something in between"),
        pytest.param("26.39", [("payment_missing", "0.01")], id="less"),
        pytest.param("30.01", [("payment_exceeds", "0.01")], id="more"),
    ],
)
def test_of_what_was_paid_above_the_total_heartland_may_hold_any_part(held: str, found: list[tuple[str, str]]) -> None:
    order = a_paid_order(tenders=(a_tender("30.00"),))

    snapshot = there(in_agreement(order), paid=Decimal(held))
    assert [(finding.kind, str(finding.at_risk)) for finding in SUBJECT.findings(snapshot, ["payment"])] == found


@given(st.decimals("-99", "99", places=2))
def test_whatever_the_difference_in_payments_it_is_found_to_the_cent(cents: Decimal) -> None:
    snapshot = there(AGREED, paid=TOTAL + cents)

    found = SUBJECT.findings(snapshot, ["payment"])
    assert [finding.at_risk for finding in found] == ([abs(cents)] if cents else [])
