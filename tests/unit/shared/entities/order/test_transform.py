"""Notices in, the order as it stands out: one event for all of them, and trouble said in sentences."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.entities.order import transform as transformer
from shared.entities.order.event import OrderEvent
from shared.entities.order.spec import CANONICAL_ORDER
from shared.errors import IntegrationError, NeedsReview, Rejected, RetryLater
from shared.messaging.envelope import Envelope, new_traceparent
from shared.messaging.notice import asked_for
from shared.messaging.record import Record, Result
from shared.messaging.topics import Topic
from tests.support.orders import Node, an_order_node, bag, page

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Clock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


class FakeShop:
    def __init__(self, node: Node | None, *, read_back: bool = True) -> None:
        self.node = node
        self.namespace = "tillbridge"
        self.definitions_version = 3
        self.read_back = read_back
        self.reads: list[str] = []
        self.priorities: list[str] = []

    async def read(self, order_id: str, priority: str = "live") -> Node | None:
        self.priorities.append(priority)
        self.reads.append(order_id)
        return self.node


class FakeProducer:
    def __init__(self) -> None:
        self.sent: list[tuple[Topic, Envelope]] = []

    async def send(self, topic: Topic, envelope: Envelope) -> None:
        self.sent.append((topic, envelope))

    @property
    def event(self) -> OrderEvent:
        return OrderEvent.model_validate_json(self.sent[-1][1].body)


class FakeReviews:
    def __init__(self) -> None:
        self.resolved: list[tuple[str, str, str, tuple[str, ...]]] = []

    async def resolve(self, connection: str, entity: str, key: str, kinds: Iterable[str]) -> int:
        self.resolved.append((connection, entity, key, tuple(kinds)))
        return 0


class Harness:
    """A handler with fakes around it."""

    def __init__(self, node: Node | None, **settings: Any) -> None:
        self.shop = FakeShop(node, **settings)
        self.producer = FakeProducer()
        self.reviews = FakeReviews()

        async def shop_of(name: str) -> FakeShop:
            return self.shop

        producer: Any = self.producer
        self.handle = transformer.handler(shop_of, producer, self.reviews, Clock())

    async def run(self, *records: Record) -> Result:
        return await self.handle(records or [a_notice()])


def a_notice(number: int = 1, body: bytes = b"{}", subject: str = "5001", attempts: int = 1, **extra: Any) -> Record:
    values: dict[str, Any] = {
        "id": f"webhook-{number}",
        "source": "shopify",
        "type": "shopify.orders/updated",
        "time": NOW - timedelta(seconds=60 - number),
        "connection": "demo",
        "entity": "order",
        "subject": subject,
        "body": body,
        "traceparent": new_traceparent(),
    }
    return Record(Envelope(**{**values, **extra}), "raw.shopify.order", 0, number, 0, attempts)


async def test_an_order_is_published_whole_with_its_origin() -> None:
    harness = Harness(an_order_node())
    notice = a_notice()

    result = await harness.run(notice)

    topic, envelope = harness.producer.sent[0]
    event = harness.producer.event
    assert topic is CANONICAL_ORDER
    assert (envelope.key, envelope.entity, envelope.hop) == (b"demo|5001", "order", 1)
    assert envelope.trace_id == notice.envelope.trace_id
    assert (event.schema_name, event.source, event.key) == ("tillbridge.order/1", "shopify", "5001")
    assert (event.version, event.read_at) == (event.record.updated_at, NOW)
    assert (result.outcome, result.order_number, result.shopify_id) == ("published", "#1001", "5001")


async def test_one_event_stands_for_all_waiting_notices() -> None:
    harness = Harness(an_order_node())

    await harness.run(a_notice(1), a_notice(2), a_notice(2), a_notice(3))

    assert len(harness.producer.sent) == 1
    assert harness.shop.reads == ["5001"]
    assert harness.producer.event.lineage == ("webhook-1", "webhook-2", "webhook-3")


async def test_the_same_state_is_the_same_event_and_another_state_another() -> None:
    first, again, changed = Harness(an_order_node()), Harness(an_order_node()), Harness(an_order_node(note="gift"))
    for harness in (first, again, changed):
        await harness.run()

    ids = [harness.producer.sent[0][1].id for harness in (first, again, changed)]
    assert ids[0] == ids[1] != ids[2]


async def test_our_own_metafields_are_no_change_and_others_are() -> None:
    def with_field(namespace: str) -> Node:
        return an_order_node(metafields=page([{"namespace": namespace, "key": "k", "value": "v"}]))

    hashes = {}
    for name, node in {"none": an_order_node(), "ours": with_field("tillbridge"), "theirs": with_field("erp")}.items():
        harness = Harness(node)
        await harness.run()
        hashes[name] = harness.producer.event.content_hash

    assert hashes["none"] == hashes["ours"] != hashes["theirs"]


async def test_a_later_time_alone_is_no_new_content() -> None:
    first, later = Harness(an_order_node()), Harness(an_order_node(updatedAt="2026-11-20T10:30:00Z"))
    await first.run()
    await later.run()

    assert first.producer.event.content_hash == later.producer.event.content_hash
    assert first.producer.event.version < later.producer.event.version


async def test_an_order_that_does_not_add_up_goes_to_a_person_with_the_figures() -> None:
    harness = Harness(an_order_node(total="14.00", currentTotalPriceSet=bag("14.00")))

    with pytest.raises(NeedsReview) as caught:
        await harness.run()

    details = caught.value.details
    assert caught.value.kind == "order_unbalanced"
    assert (details["stated"], details["computed"], details["difference"]) == ("14.00", "15.00", "-1.00")
    assert details["parts"] == {"lines": "10.00", "shipping": "5.00"}
    assert not harness.producer.sent


async def test_an_order_that_adds_up_closes_its_review() -> None:
    harness = Harness(an_order_node())

    await harness.run()

    assert harness.reviews.resolved == [("demo", "order", "5001", ("order_unbalanced", "order_gone", "order_too_long"))]


async def test_an_order_that_is_not_to_be_seen_yet_is_asked_for_again_and_then_goes_to_a_person() -> None:
    harness = Harness(None)

    for attempt in (1, 2, 3, 4):
        with pytest.raises(RetryLater):
            await harness.run(a_notice(attempts=attempt))
    with pytest.raises(NeedsReview) as caught:
        await harness.run(a_notice(attempts=5))

    assert caught.value.kind == "order_gone"


async def test_a_read_that_is_older_than_the_notice_is_repeated_but_not_for_ever() -> None:
    body = orjson.dumps({"id": 5001, "line_items": [], "updated_at": "2026-11-20T05:00:01-05:00"})
    harness = Harness(an_order_node(updatedAt="2026-11-20T10:00:00Z"))

    with pytest.raises(RetryLater, match="before the notice"):
        await harness.run(a_notice(body=body))
    assert (await harness.run(a_notice(body=body, attempts=3))).outcome == "published"


@pytest.mark.parametrize("subject", ["", "abc", "-1", "1.5", "1" * 21, "١٢٣", "12 ", "gid://shopify/Order/1"])
async def test_a_notice_that_names_no_order_is_rejected_without_a_read(subject: str) -> None:
    harness = Harness(an_order_node())

    with pytest.raises(Rejected):
        await harness.run(a_notice(subject=subject))

    assert not harness.shop.reads


async def test_a_twenty_digit_id_is_read() -> None:
    harness = Harness(an_order_node("18446744073709551615"))

    result = await harness.run(a_notice(subject="18446744073709551615"))

    assert result.shopify_id == "18446744073709551615"


TOLD = {
    "id": 5001, "name": "#1001", "currency": "USD", "created_at": "2026-11-20T10:00:00Z",
    "updated_at": "2026-11-20T10:00:00Z", "financial_status": "pending", "total_price": "10.00",
    "total_outstanding": "10.00",
    "line_items": [{"id": 1, "quantity": 1, "price": "10.00", "sku": "SKU-1"}],
}  # fmt: skip


async def test_a_shop_may_trust_bodies_in_which_no_payment_can_be_missing() -> None:
    harness = Harness(an_order_node(), read_back=False)

    await harness.run(a_notice(body=orjson.dumps(TOLD)))

    assert not harness.shop.reads
    assert harness.producer.event.record.total == 10


@pytest.mark.parametrize(
    "notice",
    [
        pytest.param(a_notice(body=orjson.dumps({**TOLD, "financial_status": "paid"})), id="paid"),
        pytest.param(a_notice(body=orjson.dumps({**TOLD, "id": 666})), id="another order"),
        pytest.param(a_notice(body=orjson.dumps(TOLD), type="shopify.refunds/create"), id="no order's notice"),
    ],
)
async def test_a_trusting_shop_still_reads_what_a_body_does_not_say(notice: Record) -> None:
    harness = Harness(an_order_node(), read_back=False)

    await harness.run(notice)

    assert harness.shop.reads == ["5001"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.sampled_from(sorted(TOLD)), inner),
    max_leaves=12,
)
changed = st.dictionaries(st.sampled_from(sorted(TOLD)), json_values, max_size=3).map(lambda some: {**TOLD, **some})
bodies = st.binary() | (json_values | changed).map(lambda value: json.dumps(value).encode())


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], max_examples=200)
@given(body=bodies, subject=st.text() | st.just("5001"), trusting=st.booleans())
async def test_no_notice_crashes_the_handler(body: bytes, subject: str, trusting: bool) -> None:
    harness = Harness(an_order_node(), read_back=not trusting)
    try:
        result = await harness.run(a_notice(body=body, subject=subject))
    except IntegrationError:
        return
    assert result.outcome == "published"


@pytest.mark.parametrize(
    ("asked", "priority"),
    [(("repair",), "repair"), (("backfill", "repair"), "repair"), (("repair", "live"), "live"), (("?",), "live")],
    ids=["one repair", "a repair among backfills", "one ordinary notice is enough", "a word nobody knows"],
)
async def test_an_order_is_read_and_sent_on_as_urgently_as_its_most_urgent_notice(
    asked: tuple[str, ...], priority: str
) -> None:
    harness = Harness(an_order_node())

    await harness.run(*(a_notice(number, extra={"x-priority": word}) for number, word in enumerate(asked)))

    assert harness.shop.priorities == [priority]
    assert harness.producer.sent[0][1].priority == priority


@pytest.mark.parametrize(
    ("causes", "told"),
    [
        pytest.param(["review", "gap"], "review", id="a decision, and a gap after it"),
        pytest.param(["drift", "replay", ""], "drift", id="a repair, a replay and an ordinary notice"),
        pytest.param(["gap", "replay"], "replay", id="none that asks to write again: the last"),
        pytest.param([""], None, id="an ordinary notice"),
    ],
)
async def test_a_notice_that_asks_to_write_again_is_not_silenced_by_a_later_one(
    causes: list[str], told: str | None
) -> None:
    harness = Harness(an_order_node())

    await harness.run(*(a_notice(number, extra={"x-cause": why} if why else {}) for number, why in enumerate(causes)))

    sent = harness.producer.sent[0][1]
    assert sent.extra.get("x-cause") == told
    assert sent.asks_again == (told in ("drift", "review"))


async def test_the_settings_to_write_with_are_passed_on_beside_other_causes() -> None:
    harness = Harness(an_order_node())

    await harness.run(
        a_notice(1, extra=asked_for("definitions", 3)), a_notice(2, extra=asked_for("drift")), a_notice(3)
    )

    [(_, sent)] = harness.producer.sent
    assert (sent.asks_again, sent.reapplied_version, sent.priority) == (True, 3, "live")


async def test_settings_are_applied_again_behind_everything_else() -> None:
    harness = Harness(an_order_node())

    await harness.run(a_notice(1, extra=asked_for("definitions", 3)))

    [(_, sent)] = harness.producer.sent
    assert (sent.asks_again, sent.reapplied_version, sent.priority) == (False, 3, "backfill")


async def test_a_reapply_waits_until_its_settings_are_loaded() -> None:
    harness = Harness(an_order_node())

    with pytest.raises(RetryLater, match="version 4 of the settings is not loaded yet"):
        await harness.run(a_notice(1, extra=asked_for("definitions", 4)))
