"""What a shop's day does to orders: payments, edits, cancellations, unknown goods, and webhooks out of step."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.canonical.hop import Hop
from shared.state.parked import Parked
from tests.support.documents import a_document, a_sale, an_item
from tests.support.stack import Bridge

pytestmark = pytest.mark.usefixtures("clean_faults")


# Money


async def test_a_payment_that_comes_later_in_two_parts_is_booked_part_by_part(bridge: Bridge) -> None:
    number = next(bridge.numbers)
    order_id = await bridge.post(a_document(number, financial_status="pending", payment_gateway_names=[]))
    before = await bridge.in_heartland(order_id)
    await bridge.control("POST", f"/shopify/orders/{order_id}/pay", {"amount": "10.00", "gateway": "bank"})
    await bridge.in_heartland(order_id, lambda books: books.payments == ["10.00"])
    await bridge.control("POST", f"/shopify/orders/{order_id}/pay", {"gateway": "shopify_payments"})
    after = await bridge.in_heartland(order_id, lambda books: len(books.payments) == 2)

    assert before.payments == []
    assert after.payments == ["10.00", "15.00"]
    assert (after.total, Decimal(after.order["balance"])) == (Decimal("25.00"), 0)
    assert len({row["payment_type_id"] for row in after.record["payments"]}) == 2


async def test_a_gift_card_and_a_card_are_two_payments_of_two_types(bridge: Bridge) -> None:
    number = next(bridge.numbers)
    sales = [a_sale(number * 10, "gift_card", "7.01"), a_sale(number * 10 + 1, "shopify_payments", "17.99")]
    order_id = await bridge.post(
        a_document(number, payment_gateway_names=["gift_card", "shopify_payments"], transactions=sales)
    )
    books = await bridge.in_heartland(order_id)

    assert books.payments == ["7.01", "17.99"]
    assert Decimal(books.order["balance"]) == 0
    by_sale = {row["custom"]["shopify_transaction_id"]: row for row in books.record["payments"]}
    assert {sale: f"{row['amount']:.2f}" for sale, row in by_sale.items()} == {
        str(sales[0]["id"]): "7.01",
        str(sales[1]["id"]): "17.99",
    }
    assert len({row["payment_type_id"] for row in by_sale.values()}) == 2


@pytest.mark.capability("S78", "S79")
async def test_a_discount_that_the_quantity_does_not_divide_keeps_its_cent(bridge: Bridge) -> None:
    order_id = await bridge.post(a_document(next(bridge.numbers), an_item("CAP", 3, "10.00", off="1.00", tax="2.03")))
    books = await bridge.in_heartland(order_id)

    assert books.lines == [("CAP", 1, "9.66"), ("CAP", 2, "9.67")]
    assert books.taxes == {"State tax": "2.03"}
    assert (books.total, books.payments) == (Decimal("36.03"), ["36.03"])


async def test_an_order_in_euros_with_tax_included_comes_to_the_same_total_with_the_tax_taken_out(
    bridge: Bridge,
) -> None:
    carriage = {
        "id": 1,
        "title": "DHL",
        "price": "5.95",
        "tax_lines": [{"title": "MwSt", "rate": 0.19, "price": "0.95"}],
    }
    mug = an_item("MUG", 2, "11.90")
    mug["tax_lines"] = [{"title": "MwSt", "rate": 0.19, "price": "3.80"}]
    order_id = await bridge.post(
        a_document(next(bridge.numbers), mug, currency="EUR", taxes_included=True, shipping_lines=[carriage])
    )
    books = await bridge.in_heartland(order_id)

    assert (books.total, books.payments) == (Decimal("29.75"), ["29.75"])
    assert books.lines == [("MUG", 2, "10.00")]
    assert books.taxes == {"MwSt": "4.75"}
    assert Decimal(books.order["shipping_charge"]) == Decimal("5.00")


@pytest.mark.capability("S36")
async def test_an_order_whose_total_is_off_by_a_cent_is_shown_to_a_person_and_not_written(bridge: Bridge) -> None:
    order_id = await bridge.post(a_document(next(bridge.numbers), total_price="25.01"))
    review = await bridge.review(order_id, "order_unbalanced")

    figures = [review.details[name] for name in ("stated", "computed", "difference")]
    assert figures == ["25.01", "25.00", "0.01"]
    await bridge.hop(order_id, "transformers", "review")
    assert [entry for entry in await bridge.writes("heartland") if order_id in str(entry["body"])] == []


async def test_a_review_closes_by_itself_when_the_order_adds_up_again(bridge: Bridge) -> None:
    number = next(bridge.numbers)
    order_id = await bridge.post(a_document(number, total_price="25.01"))
    await bridge.review(order_id, "order_unbalanced")
    await bridge.post(a_document(number))
    await bridge.in_heartland(order_id)

    # A cent more was taken than it comes to: that one is for a person.
    assert await bridge.open_reviews(order_id) == ["overpaid"]


# Edits and cancellations


@pytest.mark.capability("S36")
async def test_an_edit_before_the_invoice_lowers_a_quantity_and_adds_a_line(bridge: Bridge) -> None:
    await bridge.control("POST", "/heartland/items", {"public_id": "BELT", "description": "Belt", "price": "7.50"})
    order_id = await bridge.post(
        a_document(next(bridge.numbers), an_item("TEE", 3, "10.00", tax="2.10"), an_item("CAP", 1, "4.00"))
    )
    before = await bridge.in_heartland(order_id)
    await bridge.control(
        "POST",
        f"/shopify/orders/{order_id}/edit",
        {
            "remove": [{"sku": "TEE", "quantity": 1}],
            "add": [{"sku": "BELT", "title": "Belt", "price": "7.50", "quantity": 2}],
        },
    )
    # 41.10 less 10.70 for the shirt that went, and 15.00 for two belts; the taxes come last.
    after = await bridge.in_heartland(order_id, lambda books: books.total == Decimal("45.40"))

    assert before.total == Decimal("41.10")
    assert after.lines == [("BELT", 2, "7.50"), ("CAP", 1, "4.00"), ("TEE", 2, "10.00")]
    assert after.taxes == {"State tax": "1.40"}
    assert (after.payments, after.status) == (["41.10"], "open")


async def test_a_cancellation_before_the_invoice_cancels_in_heartland(bridge: Bridge) -> None:
    order_id = await bridge.post(a_document(next(bridge.numbers)))
    await bridge.in_heartland(order_id)
    await bridge.control("POST", f"/shopify/orders/{order_id}/cancel", {"reason": "customer"})

    books = await bridge.in_heartland(order_id, lambda books: books.status == "canceled")
    assert (books.lines, books.total) == ([("TEE", 2, "10.00")], Decimal("25.00"))


@pytest.mark.capability("S36")
async def test_an_edit_after_the_invoice_changes_nothing_and_says_what_to_do_by_hand(bridge: Bridge) -> None:
    order_id = await bridge.post(
        a_document(next(bridge.numbers), an_item("TEE", 2, "10.00"), an_item("CAP", 1, "4.00"))
    )
    books = await bridge.in_heartland(order_id)
    await bridge.ship(books, [{"sku": "TEE", "qty": 2}])
    await bridge.control("POST", f"/shopify/orders/{order_id}/edit", {"remove": [{"sku": "CAP", "quantity": 1}]})
    review = await bridge.review(order_id, "edit_after_invoice")

    assert "invoiced" in review.title
    assert "by hand" in review.advice
    after = await bridge.in_heartland(order_id)
    assert (after.lines, after.total) == ([("CAP", 1, "4.00"), ("TEE", 2, "10.00")], Decimal("29.00"))


# Goods


@pytest.mark.capability("S53", "S92", "S124")
async def test_an_order_of_an_unknown_article_waits_and_goes_on_by_itself_when_the_article_is_there(
    bridge: Bridge,
) -> None:
    number = next(bridge.numbers)
    sku = f"NEW-{number}"
    order_id = await bridge.post({**a_document(number, an_item(sku, 2, "12.00")), "items": False})
    await bridge.hop(order_id, "heartland_writer", "parked")
    waiting = await Parked(bridge.database, "heartland_writer").awaited()
    assert await bridge.heartland_order(order_id) is None
    await bridge.control("POST", "/heartland/items", {"public_id": sku, "description": "New", "price": "12.00"})
    # Sooner than the schedule of parked orders would try it again.
    books = await bridge.in_heartland(order_id, seconds=10)

    assert [key for keys in waiting.values() for key in keys if key.key.endswith(order_id)]
    assert (books.lines, books.total) == ([(sku, 2, "12.00")], Decimal("29.00"))


async def test_others_go_on_while_one_order_waits_for_its_article(bridge: Bridge) -> None:
    number, other = next(bridge.numbers), next(bridge.numbers)
    waiting = await bridge.post({**a_document(number, an_item(f"LATE-{number}", 1, "1.00")), "items": False})
    await bridge.hop(waiting, "heartland_writer", "parked")
    flowing = await bridge.post(a_document(other))
    await bridge.in_heartland(flowing)

    assert await bridge.heartland_order(waiting) is None
    await bridge.control("POST", "/heartland/items", {"public_id": f"LATE-{number}", "price": "1.00"})
    await bridge.in_heartland(waiting)


async def test_a_line_without_sku_goes_to_the_placeholder_with_its_own_words(bridge: Bridge) -> None:
    order_id = await bridge.post(
        a_document(next(bridge.numbers), an_item(None, 1, "8.00", title="Engraving"), an_item("TEE", 1, "10.00"))
    )
    books = await bridge.in_heartland(order_id)

    assert books.lines == [("MISC", 1, "8.00"), ("TEE", 1, "10.00")]
    assert books.total == Decimal("23.00")
    (placeholder,) = (row for row in books.record["lines"] if row["sku"] == "MISC")
    assert "Engraving" in str(placeholder)


# The link back


@pytest.mark.capability("S99")
async def test_the_shopify_order_carries_the_ids_of_heartlands_order(bridge: Bridge) -> None:
    number = next(bridge.numbers)
    order_id = await bridge.post(a_document(number))
    books = await bridge.in_heartland(order_id)

    async def noted() -> dict[tuple[str, str], str] | None:
        rows = (await bridge.shopify(order_id))["metafields"]
        return {(row["namespace"], row["key"]): row["value"] for row in rows}

    assert await bridge.until("metafields on the Shopify order", noted, order_id=order_id) == {
        ("tillbridge", "heartland_order_id"): books.id,
        ("tillbridge", "heartland_order_number"): f"S-{number}",
    }
    # Setting them changes the order, which comes back as a notice: it must end there, and nothing be written again.
    await bridge.hop(order_id, "heartland_writer", "echo")
    writes = [entry for entry in await bridge.writes("heartland") if f"/sales/orders/{books.id}" in entry["path"]]
    assert sum(1 for entry in writes if entry["method"] == "PUT") == 1


# Webhooks out of step


@pytest.mark.capability("S28")
async def test_webhooks_that_come_twice_make_one_order(bridge: Bridge) -> None:
    await bridge.faults({"system": "webhooks", "kind": "duplicate"})
    ids = [await bridge.post(a_document(next(bridge.numbers))) for _ in range(5)]
    for order_id in ids:
        books = await bridge.in_heartland(order_id)
        assert (books.total, books.payments) == (Decimal("25.00"), ["25.00"])

    assert await bridge.fault_hits() >= len(ids)


async def test_a_notice_that_was_overtaken_does_not_bring_the_old_order_back(bridge: Bridge) -> None:
    number = next(bridge.numbers)
    await bridge.faults({"system": "webhooks", "kind": "reorder", "operation": "orders/create", "times": 1})
    order_id = await bridge.post(a_document(number, an_item("TEE", 1, "10.00"), updated_at="2026-11-20T10:00:01Z"))
    await bridge.post(a_document(number, an_item("TEE", 4, "10.00"), updated_at="2026-11-20T10:00:02Z"))
    await bridge.until("the notice that was overtaken", lambda: _both_delivered(bridge, order_id))
    books = await bridge.in_heartland(order_id, lambda books: books.total == Decimal("45.00"))

    assert books.lines == [("TEE", 4, "10.00")]
    assert await bridge.fault_hits() == 1


async def _both_delivered(bridge: Bridge, order_id: str) -> bool:
    done = {row["topic"] for row in await bridge.deliveries(order_id) if row["outcome"] == "delivered"}
    return {"orders/create", "orders/updated"} <= done


async def test_a_notice_that_was_dropped_is_made_good_by_the_next_one(bridge: Bridge) -> None:
    number = next(bridge.numbers)
    await bridge.faults({"system": "webhooks", "kind": "drop", "operation": "orders/create"})
    document = a_document(number, financial_status="pending", payment_gateway_names=[])
    order_id = await bridge.post(document)
    assert await bridge.fault_hits() == 1
    await bridge.control("POST", f"/shopify/orders/{order_id}/pay", {"gateway": "bank"})
    books = await bridge.in_heartland(order_id, lambda books: books.payments == ["25.00"])

    assert books.total == Decimal("25.00")


async def test_a_notice_that_nobody_took_is_sent_again_and_taken_once(bridge: Bridge) -> None:
    await bridge.stack.supervisor.kill("ingress")
    order_id = await bridge.post(a_document(next(bridge.numbers)))
    books = await bridge.in_heartland(order_id)

    deliveries = await bridge.deliveries(order_id)
    assert max(delivery["attempts"] for delivery in deliveries) > 1
    assert (books.total, books.payments) == (Decimal("25.00"), ["25.00"])


# The story


@pytest.mark.capability("S24", "S34", "S82", "S83", "S86", "S113")
async def test_the_journal_tells_an_orders_whole_story_under_every_name_of_it(bridge: Bridge) -> None:
    number = next(bridge.numbers)
    order_id = await bridge.post(a_document(number))
    books = await bridge.in_heartland(order_id)
    await bridge.ship(books, tracking_number="1Z77", carrier="UPS")
    told = await bridge.until("a shipment's hop at Shopify's side", lambda: _whole_story(bridge, order_id))

    assert {order_id} == {hop.key for hop in told}
    assert books.id in {hop.heartland_id for hop in told}
    assert order_id in {hop.shopify_id for hop in told}
    assert f"#{number}" in {hop.order_number for hop in told}
    first = {}
    for hop in told:
        first.setdefault((hop.service, hop.entity), hop.finished_at)
        assert hop.started_at <= hop.finished_at
        assert hop.attempts >= 1
    road = [first["ingress", "order"], first["transformers", "order"], first["heartland_writer", "order"]]
    assert road == sorted(road)
    for name in (str(number), f"#{number}", books.id, f"S-{number}"):
        assert len(await bridge.story(name)) >= len(told)


async def _whole_story(bridge: Bridge, order_id: str) -> list[Hop] | None:
    told = await bridge.story(order_id)
    seen = {(hop.service, hop.entity) for hop in told}
    wanted = {
        ("ingress", "order"),
        ("transformers", "order"),
        ("heartland_writer", "order"),
        ("shopify_writer", "link"),
        ("poller", "fulfilment"),
        ("transformers", "fulfilment"),
        ("shopify_writer", "fulfilment"),
    }
    return told if wanted <= seen else None
