"""A writer against a Heartland in memory: what one delivery leads to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.canonical.address import Address
from shared.connectors.heartland.errors import Refused
from shared.entities.order.event import LinkEvent
from shared.entities.order.record import Customer, Order, RefundSummary
from shared.entities.order.to_heartland.order_sync import REVIEW_KINDS
from shared.errors import NeedsReview, OutcomeUnknown, Rejected, RetryLater, TargetDown, Waiting
from tests.support.orders import AT, a_line, a_tender, an_order
from tests.unit.shared.entities.order.to_heartland.shop import Shop, a_record

FRESH = [
    "GET items", "GET payment_types", "POST payment_types", "GET locations", "GET customers", "POST customers",
    "POST addresses", "POST orders", "POST lines", "POST lines", "GET taxes", "POST taxes", "POST payments",
    "PUT orders",
]  # fmt: skip


def later(order: Order, minutes: int = 1, **changes: Any) -> Order:
    return order.model_copy(update={**changes, "updated_at": order.updated_at + timedelta(minutes=minutes)})


def guest(email: str = "") -> Customer:
    return Customer(email=email)


def sold_at(price: str) -> Order:
    return an_order(lines=(a_line(price=price),))


async def test_a_new_order_takes_these_calls_and_no_other() -> None:
    shop = Shop()

    await shop.deliver(an_order())

    assert shop.calls() == FRESH


async def test_what_an_account_has_once_is_not_asked_for_again() -> None:
    shop = Shop()
    await shop.deliver(an_order())
    shop.points.passed.clear()

    await shop.deliver(an_order(id="5002", name="#1002", customer=guest("bob@example.com"), tenders=()))

    assert shop.calls() == [call for call in FRESH if call in (
        "GET customers", "POST customers", "POST addresses", "POST orders", "POST lines", "GET taxes", "POST taxes",
        "PUT orders",
    )]  # fmt: skip


async def test_the_result_names_both_sides() -> None:
    result = await Shop().deliver(an_order())

    assert (result.outcome, result.order_number, result.shopify_id, result.heartland_id) == (
        "applied", "#1001", "5001", "100001",
    )  # fmt: skip
    assert result.source_time == AT
    assert result.lineage == ("hook-1",)


async def test_the_link_is_published_until_shopify_shows_it() -> None:
    shop = Shop()
    order = an_order()
    await shop.deliver(order)
    await shop.deliver(later(order, tags=("vip",)))
    await shop.deliver(later(order, 2, metafields=(("tillbridge", "heartland_order_id", "100001"),), note="hi"))

    link = LinkEvent.model_validate_json(shop.stored.sent[0][1].body)

    assert len(shop.stored.sent) == 2
    assert (link.record.heartland_id, link.record.heartland_public_id) == ("100001", "S-1001")
    assert shop.stored.sent[0][1].key == b"acme|5001"


async def test_the_same_content_is_written_once() -> None:
    shop = Shop()
    await shop.deliver(an_order())
    shop.points.passed.clear()

    again = await shop.deliver(an_order())
    echo = await shop.deliver(later(an_order(), metafields=(("tillbridge", "heartland_order_id", "100001"),)))

    assert (again.outcome, echo.outcome) == ("duplicate", "echo")
    assert shop.calls() == []
    assert again.heartland_id == "100001"


async def test_a_change_that_was_taken_back_stays_so_when_it_arrives_last() -> None:
    shop = Shop()
    changed = later(an_order(lines=(a_line(price="15.00"),)), 1)
    await shop.deliver(an_order())
    before = shop.lines()

    echo = await shop.deliver(later(an_order(), 2))
    late = await shop.deliver(changed)

    assert (echo.outcome, late.outcome) == ("echo", "stale")
    assert shop.lines() == before


async def test_what_is_open_about_an_order_stays_noted_through_an_echo() -> None:
    shop = Shop()
    await shop.deliver(an_order())
    (name,) = [name for name in shop.stored.versions if name[1] == "order"]
    noted = shop.stored.versions[name]
    shop.stored.versions[name] = replace(noted, has_open_reviews=True)

    await shop.deliver(later(an_order(), 2))

    assert shop.stored.versions[name] == replace(
        noted, version=noted.version + timedelta(minutes=2), has_open_reviews=True
    )


async def test_an_older_version_is_stale() -> None:
    shop = Shop()
    await shop.deliver(later(an_order(), tags=("new",)))

    assert (await shop.deliver(an_order())).outcome == "stale"


async def test_of_several_records_the_newest_counts_wherever_it_stands() -> None:
    shop = Shop()
    newest = later(an_order(), lines=(a_line(1),), total=Decimal("15.70"), tenders=())

    await shop.deliver(newest, an_order())

    assert shop.lines() == [("SKU-1", 1, "10.00")]


async def test_what_is_no_order_is_rejected() -> None:
    record = a_record(an_order())
    broken = record.envelope.__class__(**{
        name: getattr(record.envelope, name) for name in record.envelope.__dataclass_fields__
    } | {"body": b"{}"})  # fmt: skip

    with pytest.raises(Rejected, match="not a canonical order"):
        await Shop().orders.handle([type(record)(broken, "t", 0, 1, 0)])


async def test_an_unknown_sku_waits_and_nothing_is_written() -> None:
    shop = Shop()

    with pytest.raises(Waiting, match="no item NEW-1") as caught:
        await shop.deliver(an_order(lines=(a_line(1), a_line(2, sku="NEW-1"))))

    assert caught.value.waits_for == "item:NEW-1"
    assert not [call for call in shop.calls() if not call.startswith("GET")]


async def test_awaited_items_are_asked_for_in_one_call() -> None:
    shop = Shop()

    found = await shop.existing({"acme|item:SKU-1", "acme|item:NEW-1", "acme|item:SKU-2"})

    assert found == {"acme|item:SKU-1", "acme|item:SKU-2"}
    assert shop.calls() == ["GET items"]


async def test_a_line_without_sku_goes_to_the_placeholder_made_once() -> None:
    shop = Shop()
    for number in ("5001", "5002"):
        await shop.deliver(an_order(id=number, name=f"#{number}", lines=(a_line(sku="", title="Engraving"),)))

    (placeholder,) = shop.heartland.all("items", public_id="MISC")
    assert placeholder["track_inventory"] is False
    assert {line["description"] for line in shop.heartland.all("lines")} == {"Engraving"}


@pytest.mark.capability("S97")
async def test_two_orders_of_one_new_buyer_at_once_make_one_customer() -> None:
    shop = Shop()
    orders = [an_order(id=str(number), name=f"#{number}") for number in range(5001, 5006)]

    await asyncio.gather(*(shop.deliver(order) for order in orders))

    assert len(shop.heartland.all("customers")) == 1
    assert len(shop.heartland.all("addresses")) == 1
    assert len(shop.heartland.all("orders")) == 5
    assert shop.calls().count("GET items") == 1


async def test_another_replica_creating_the_same_buyer_is_waited_for() -> None:
    shop = Shop(lag_seconds=10.0)
    await shop.deliver(an_order(customer=guest("bob@example.com")))
    shop.restart()

    await shop.deliver_until_done(an_order(id="5002", name="#1002", customer=guest("BOB@example.com")))

    assert len(shop.heartland.all("customers")) == 1


@pytest.mark.parametrize(
    ("customer", "billing", "body"),
    [
        pytest.param(
            Customer(email="a@b.c", first_name="Ada"), None,
            {"first_name": "Ada", "last_name": "?", "email": "a@b.c"}, id="half a name",
        ),
        pytest.param(
            guest("a@b.c"), Address(first_name="Bo", last_name="Li", phone="12"),
            {"first_name": "Bo", "last_name": "Li", "email": "a@b.c", "phone_number": "12"}, id="named by the bill",
        ),
        pytest.param(
            guest(), None, {"first_name": "?", "last_name": "?", "public_id": "S-G5001"}, id="nothing known",
        ),
        pytest.param(
            Customer(shopify_id="77", first_name="Bo", last_name="Li"), None,
            {"first_name": "Bo", "last_name": "Li", "public_id": "S-C77"}, id="no e-mail address",
        ),
    ],
)  # fmt: skip
async def test_a_new_customer(customer: Customer, billing: Address | None, body: dict[str, str]) -> None:
    shop = Shop()

    await shop.deliver(an_order(customer=customer, billing_address=billing, shipping_address=None))

    (made,) = shop.heartland.all("customers")
    assert {name: value for name, value in made.items() if name != "id"} == body


@pytest.mark.capability("S97")
async def test_a_known_customer_gets_what_was_missing_and_keeps_the_rest() -> None:
    shop = Shop()
    shop.heartland.insert(
        "customers", {"first_name": "?", "last_name": "Lovelace", "email": "Ada@Example.com", "phone_number": None}
    )

    await shop.deliver(an_order())

    (there,) = shop.heartland.all("customers")
    assert (there["first_name"], there["last_name"], there["phone_number"]) == ("Ada", "Lovelace", None)


async def test_of_customers_that_share_an_address_the_oldest_is_taken_and_a_person_told() -> None:
    shop = Shop()
    for _ in range(2):
        shop.heartland.insert("customers", {"first_name": "Ada", "last_name": "B", "email": "ada@example.com"})

    result = await shop.deliver(an_order())

    assert result.outcome == "applied"
    assert shop.order()["customer_id"] == 100001
    assert shop.stored.open_reviews() == {"duplicate_customers"}


async def test_a_customer_linked_to_another_shopify_customer_does_not_stop_the_order() -> None:
    shop = Shop()
    await shop.deliver(an_order())

    result = await shop.deliver(
        an_order(id="5002", name="#1002", customer=Customer(shopify_id="4002", email="ada@example.com"))
    )

    assert result.outcome == "applied"
    assert shop.stored.open_reviews() == {"customer_linked_twice"}


async def test_a_customer_deleted_in_heartland_is_made_anew() -> None:
    shop = Shop(lag_seconds=1.0)
    buyer = guest("bob@example.com")
    await shop.deliver(an_order(customer=buyer))
    shop.heartland.table("customers").rows.clear()
    shop.clock.advance(60)

    await shop.deliver(an_order(id="5002", name="#1002", customer=buyer))

    assert len(shop.heartland.all("customers")) == 1


async def merged_away(shop: Shop) -> None:
    """The buyer's customer was merged into another in Heartland, which takes it on no order any more."""
    await shop.deliver(an_order())
    [merged] = shop.heartland.all("customers")
    shop.heartland.table("customers").rows.pop(merged["id"])
    refused = Refused("no", code="validation_error", status=400, details={"customer_id": ("is invalid",)})
    shop.heartland.refuses = lambda call, body: refused if body.get("customer_id") == merged["id"] else None
    shop.clock.advance(60)
    shop.restart()


@pytest.mark.parametrize("shipped", [True, False], ids=["its addresses are gone", "an order without addresses"])
@pytest.mark.parametrize("survivor", [True, False], ids=["merged", "deleted"])
async def test_a_linked_customer_that_is_gone_is_replaced_for_this_order_and_the_next(
    shipped: bool, survivor: bool
) -> None:
    shop = Shop()
    await merged_away(shop)
    if survivor:
        shop.heartland.insert("customers", {"first_name": "Ada", "last_name": "B", "email": "ada@example.com"})
    place = {} if shipped else {"shipping_address": None, "billing_address": None}

    await shop.deliver_until_done(an_order(id="5002", name="#1002", **place))
    shop.restart()
    shop.points.passed.clear()
    await shop.deliver(an_order(id="5003", name="#1003", **place))

    [customer] = shop.heartland.all("customers")
    first, *others = shop.heartland.all("orders")
    assert {order["customer_id"] for order in others} == {customer["id"]} != {first["customer_id"]}
    assert shop.stored.links["acme", "customer", "4001"].heartland_id == str(customer["id"])
    assert shop.stored.open_reviews() == set()
    assert not {"GET customers", "POST customers"} & set(shop.calls())


async def test_an_order_whose_customer_was_merged_gets_the_one_that_remained() -> None:
    shop = Shop()
    await merged_away(shop)
    number = shop.heartland.insert("customers", {"first_name": "Ada", "last_name": "B", "email": "ada@example.com"})
    shop.order()["customer_id"] = number

    await shop.deliver(later(an_order(), tags=("x",)))

    assert shop.order()["customer_id"] == number
    assert len(shop.heartland.all("customers")) == 1


async def test_a_refused_customer_that_is_there_is_not_replaced() -> None:
    shop = Shop()
    await shop.deliver(an_order())
    refused = Refused("no", code="validation_error", status=400, details={"customer_id": ("is blocked",)})
    shop.heartland.refuses = lambda call, body: refused if call == "POST orders" else None

    for _ in range(2):
        with pytest.raises(RetryLater, match="no"):
            await shop.deliver(an_order(id="5002", name="#1002"))

    assert shop.calls().count("GET customers/{}") == 1
    assert len(shop.heartland.all("customers")) == 1
    assert shop.stored.open_reviews() == {"heartland_refused"}


async def test_two_shopify_orders_may_share_a_name() -> None:
    shop = Shop()
    taken = Refused("taken", code="validation_error", status=400, details={"public_id": ("has already been taken",)})
    numbers = lambda: {row["public_id"] for row in shop.heartland.all("orders")}  # noqa: E731
    shop.heartland.refuses = lambda call, body: (
        taken if call == "POST orders" and body["public_id"] in numbers() else None
    )

    await shop.deliver(an_order())
    await shop.deliver(an_order(id="5002"))

    assert numbers() == {"S-1001", "S-1001-5002"}


async def test_where_numbers_are_not_unique_they_are_looked_up_first() -> None:
    shop = Shop(unique_order_public_id=False)

    await shop.deliver(an_order())
    await shop.deliver(an_order(id="5002"))

    assert [row["public_id"] for row in shop.heartland.all("orders")] == ["S-1001", "S-1001-5002"]


async def test_without_location_header_what_was_made_is_looked_up() -> None:
    shop = Shop()
    shop.heartland.names_what_it_makes = False

    await shop.deliver_until_done(an_order())
    shop.clock.advance(1)
    await shop.deliver_until_done(later(an_order(), lines=(a_line(1, quantity=2), a_line(2)), total=Decimal("36.40")))

    assert shop.lines() == [("SKU-1", 2, "10.00"), ("SKU-2", 1, "10.00")]
    assert len(shop.heartland.all("customers")) == len(shop.heartland.all("addresses")) == 1


async def test_custom_fields_that_heartland_drops_from_lines_and_payments_do_no_harm() -> None:
    shop = Shop()
    shop.heartland.keeps_custom = False
    order = an_order(tenders=(a_tender("10.00", 1), a_tender("10.00", 2)))
    await shop.deliver(order)
    shop.restart()

    await shop.deliver(later(order, tenders=(*order.tenders, a_tender("10.00", 3)), tags=("x",)))

    assert len(shop.heartland.all("payments")) == 3
    assert len(shop.lines()) == 2


async def test_a_payment_that_comes_later_is_added() -> None:
    shop = Shop()
    order = an_order(tenders=())
    await shop.deliver(order)

    await shop.deliver(later(order, tenders=(a_tender("26.40"),)))

    assert [payment["amount"] for payment in shop.heartland.all("payments")] == [Decimal("26.40")]


async def test_a_payment_that_somebody_deleted_is_not_booked_again_and_not_told_of() -> None:
    shop = Shop()
    await shop.deliver(an_order())
    shop.heartland.table("payments").rows.clear()
    shop.restart()

    result = await shop.deliver(later(an_order(), tags=("x",)))

    assert shop.heartland.all("payments") == []
    assert result.detail == "updated: 2 lines, 0 payments, open"


async def test_a_refund_is_for_a_person_and_stops_nothing() -> None:
    shop = Shop()
    order = an_order(refunds=(RefundSummary(id="1", amount="10.70", created_at=AT),))

    result = await shop.deliver(order)

    review = shop.stored.reviews["acme", "refund_by_hand", "order", "5001"]
    assert result.outcome == "applied"
    assert shop.order()["status"] == "open"
    assert review["details"]["amount"] == "10.70"


async def test_a_refund_of_what_was_never_booked_is_nobodys_work() -> None:
    shop = Shop()
    first, second = an_order().lines
    order = an_order(lines=(first, second.model_copy(update={"removed": 1})))
    await shop.deliver(order)
    off = order.total - sum(payment["amount"] for payment in shop.heartland.all("payments"))
    assert shop.stored.open_reviews() == {"overpaid"}

    await shop.deliver(later(order, refunds=(RefundSummary(id="1", amount=str(off), created_at=AT),)))

    assert (off > 0, shop.stored.open_reviews()) == (True, set())


async def test_a_payment_that_never_came_and_was_not_owed_meanwhile_is_booked_when_it_is() -> None:
    shop = Shop()
    small = an_order(with_lines=1)
    await shop.deliver(small)
    lines = (*small.lines, a_line(2))
    large = later(small, lines=lines, total=small.total + lines[1].net + lines[1].tax)
    tenders = (*small.tenders, a_tender(str(large.total - small.total), 2))
    large = large.model_copy(update={"tenders": tenders})

    def lose_the_call(_: int, name: str, is_after: bool) -> None:
        if name == "POST payments" and not is_after:
            raise OutcomeUnknown("no answer")

    shop.points.strike = lose_the_call
    with pytest.raises(OutcomeUnknown):
        await shop.deliver(large)
    shop.points.strike = lambda *_: None
    shop.clock.advance(60)
    removed = (lines[0], lines[1].model_copy(update={"removed": 1}))
    await shop.deliver(later(large, 2, lines=removed))
    assert [payment["amount"] for payment in shop.heartland.all("payments")] == [small.total]

    await shop.deliver(later(large, 3))

    assert [payment["amount"] for payment in shop.heartland.all("payments")] == [small.total, large.total - small.total]
    assert shop.stored.open_reviews() == set()


async def test_an_edit_after_the_invoice_is_for_a_person_and_so_is_its_payment() -> None:
    shop = Shop()
    order = an_order()
    await shop.deliver(order)
    shop.clock.advance(60)
    shop.restart()
    shop.order()["status"] = "open"
    shop.heartland.insert("invoices", {"order_id": shop.order()["id"], "status": "complete"})
    edit = later(
        order,
        lines=(a_line(1, quantity=2), a_line(2)),
        total=Decimal("36.40"),
        tenders=(*order.tenders, a_tender("10.00", 2)),
    )

    with pytest.raises(NeedsReview) as caught:
        await shop.deliver(edit)

    assert caught.value.kind == "edit_after_invoice"
    assert len(shop.lines()) == 2
    assert [payment["amount"] for payment in shop.heartland.all("payments")] == [Decimal("26.40")]
    with pytest.raises(NeedsReview):
        await shop.deliver(edit)


async def test_a_payment_that_a_closed_order_does_not_take_is_for_a_person() -> None:
    shop = Shop()
    order = an_order(tenders=())
    await shop.deliver(order)
    shop.restart()
    shop.order()["status"] = "closed"
    refusal = Refused("the order takes no payments", code="validation_error", status=400)
    shop.heartland.refuses = lambda call, body: refusal if call == "POST payments" else None

    with pytest.raises(NeedsReview) as caught:
        await shop.deliver(later(order, tenders=(a_tender("26.40"),)))

    assert caught.value.kind == "payment_by_hand"


async def test_a_refusal_is_shown_and_tried_again_until_it_is_over() -> None:
    shop = Shop()
    refusal = Refused("Source is required", code="validation_error", status=400, details={"source": ("is required",)})
    shop.heartland.refuses = lambda call, body: refusal if call == "POST orders" else None
    with pytest.raises(RetryLater, match="Source is required") as caught:
        await shop.deliver(an_order())
    assert not isinstance(caught.value, TargetDown)
    assert shop.stored.open_reviews() == {"heartland_refused"}
    shop.heartland.refuses = lambda call, body: None

    await shop.deliver(an_order())

    assert shop.stored.open_reviews() == set()
    assert shop.order()["status"] == "open"


async def test_a_cancellation_that_heartland_refuses_is_for_a_person() -> None:
    shop = Shop()
    await shop.deliver(an_order())
    refusal = Refused("cannot change to canceled", code="validation_error", status=400)
    shop.heartland.refuses = lambda call, body: refusal if body.get("status") == "canceled" else None

    with pytest.raises(NeedsReview) as caught:
        await shop.deliver(later(an_order(), cancelled_at=AT))

    assert caught.value.kind == "cancel_by_hand"


async def test_an_order_that_was_shipped_is_not_cancelled_though_heartland_would_take_it() -> None:
    shop = Shop()
    await shop.deliver(an_order())
    shop.heartland.insert("invoices", {"order_id": shop.order()["id"], "status": "complete"})
    shop.clock.advance(60)

    await shop.deliver(later(an_order(), cancelled_at=AT))

    assert shop.order()["status"] == "open"
    assert shop.stored.open_reviews() == {"cancel_by_hand"}


async def test_an_order_that_is_gone_from_heartland_is_for_a_person() -> None:
    shop = Shop()
    await shop.deliver(an_order())
    shop.restart()
    shop.heartland.table("orders").rows.clear()

    with pytest.raises(NeedsReview) as caught:
        await shop.deliver(later(an_order(), tags=("x",)))

    assert caught.value.kind == "order_missing"


async def test_after_a_lost_database_the_order_is_found_by_what_shopify_knows() -> None:
    shop = Shop()
    await shop.deliver(an_order())
    shop.stored.__init__()  # type: ignore[misc]
    shop.restart()

    await shop.deliver(later(an_order(), metafields=(("tillbridge", "heartland_order_id", "100001"),)))

    assert len(shop.heartland.all("orders")) == 1
    assert shop.stored.links["acme", "order", "5001"].heartland_id == "100001"


@pytest.mark.parametrize("unique", [True, False], ids=["Heartland refuses the number", "the number is looked up"])
async def test_after_a_lost_database_an_order_that_shopify_does_not_know_of_is_taken_up_by_its_number(
    unique: bool,
) -> None:
    shop = Shop(unique_order_public_id=unique)
    taken = Refused("taken", code="validation_error", status=400, details={"public_id": ("has already been taken",)})
    await shop.deliver(an_order())
    shop.stored.__init__()  # type: ignore[misc]
    shop.restart()
    shop.heartland.refuses = lambda call, body: (
        taken if unique and call == "POST orders" and body["public_id"] == "S-1001" else None
    )

    await shop.deliver(an_order())

    assert [row["public_id"] for row in shop.heartland.all("orders")] == ["S-1001"]
    assert [row["amount"] for row in shop.heartland.all("payments")] == [Decimal("26.40")]
    assert shop.stored.links["acme", "order", "5001"].heartland_id == str(shop.order()["id"])


async def test_a_write_without_answer_asks_for_a_wait_as_long_as_reads_lag() -> None:
    shop = Shop(lag_seconds=7.0)
    shop.strike_at(8, lambda: OutcomeUnknown("reset"), after=True)

    with pytest.raises(OutcomeUnknown) as caught:
        await shop.deliver(an_order())

    assert caught.value.after == 7.0


async def test_a_payment_type_that_was_made_without_an_answer_stays_in_doubt_no_longer_than_it_takes_to_see_it() -> (
    None
):
    shop = Shop()

    def lose_the_answer(_: int, name: str, is_after: bool) -> None:
        if name == "POST payment_types" and is_after:
            raise OutcomeUnknown("no answer")

    shop.points.strike = lose_the_answer
    with pytest.raises(OutcomeUnknown):
        await shop.deliver(an_order())
    shop.points.strike = lambda *_: None
    await shop.deliver_until_done(an_order())

    assert len(shop.heartland.all("payment_types")) == 1
    assert {claim.state for claim in shop.stored.effects.values()} == {"done"}


async def test_within_the_lag_an_update_works_from_memory() -> None:
    shop = Shop(lag_seconds=10.0)
    order = an_order(tenders=())
    await shop.deliver(order)
    shop.points.passed.clear()

    await shop.deliver(later(order, tenders=(a_tender("26.40"),)))

    assert [call for call in shop.calls() if "payment_types" not in call] == ["GET addresses", "POST payments"]


async def test_two_heartland_orders_for_one_are_reported() -> None:
    shop = Shop()
    for number in ("S-1", "S-2"):
        shop.heartland.insert("orders", {
            "public_id": number, "status": "pending", "customer_id": 1, "custom": {"shopify_order_id": "5001"},
        })  # fmt: skip

    await shop.deliver(an_order(metafields=(("tillbridge", "heartland_order_id", "100001"),)))

    assert "duplicate_orders" in shop.stored.open_reviews()


def test_kinds_cover_every_review_that_is_opened() -> None:
    from pathlib import Path
    from re import findall

    folder = Path(__file__).parents[6] / "shared" / "entities" / "order" / "to_heartland"
    code = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))

    assert set(findall(r'kind="(\w+)"', code)) <= set(REVIEW_KINDS)


async def test_every_call_for_a_repair_is_made_at_its_priority_and_its_link_hurries_no_more() -> None:
    shop, record = Shop(), a_record(an_order())
    record.envelope = replace(record.envelope, extra={"x-priority": "repair"})

    await shop.orders.handle([record])

    assert shop.points.priorities == {"repair"}
    assert len(shop.points.passed) > 10
    assert [envelope.priority for _, envelope in shop.stored.sent] == ["repair"]


async def test_a_new_order_of_a_new_buyer_takes_four_statements_to_note() -> None:
    shop = Shop()
    await shop.deliver(an_order())
    shop.points.passed.clear()

    await shop.deliver(an_order(id="5002", name="#1002", customer=guest("bob@example.com")))

    noted = [name for name in shop.points.passed if name.startswith(("atomic_write", "ledger", "epochs"))]
    assert noted == ["atomic_write"] * 4
