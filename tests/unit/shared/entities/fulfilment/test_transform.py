"""A notice of an invoice becomes a canonical fulfilment, or ends with a reason."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.connectors.heartland import decimal_json
from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.transport import Answer, Query
from shared.entities.fulfilment.event import FulfilmentEvent
from shared.entities.fulfilment.shipment_settings import ShipmentSettings
from shared.entities.fulfilment.spec import CANONICAL_FULFILMENT
from shared.entities.fulfilment.transform import Skus, transform
from shared.errors import NeedsReview, Rejected, RetryLater, TargetDown
from shared.limits.call_context import CallContext
from shared.messaging.envelope import Envelope
from shared.messaging.record import Result
from shared.messaging.topics import Topic
from tests.support.clock import FakeClock
from tests.support.messaging import a_record
from tests.support.shipments import an_invoice, an_invoice_line

SETTINGS = ShipmentSettings()


class FakeItems:
    """Heartland's items: 100301 is TEE, 100302 is TIP."""

    def __init__(self) -> None:
        self.known = {100301: "TEE", 100302: "TIP"}
        self.asked: list[list[int]] = []
        self.priorities: list[str] = []

    call_seconds = 30.0

    async def send(
        self, method: str, path: str, *ids: int, query: Query = (), body: Any = None, context: CallContext
    ) -> Answer:
        self.priorities.append(context.priority)
        wanted = orjson.loads(dict(query)["_filter"])["id"]
        self.asked.append(wanted["$in"] if isinstance(wanted, dict) else [wanted])
        return Answer([{"id": one, "public_id": self.known[one]} for one in self.asked[-1] if one in self.known])


class FakeProducer:
    def __init__(self) -> None:
        self.sent: list[tuple[Topic, Envelope]] = []

    async def send(self, topic: Topic, envelope: Envelope, timeout_seconds: float | None = None) -> None:
        self.sent.append((topic, envelope))


class Harness:
    def __init__(self) -> None:
        self.items, self.producer, self.clock = FakeItems(), FakeProducer(), FakeClock()
        self.skus = Skus(HeartlandClient(self.items), self.clock)

    async def transform(self, body: bytes, settings: ShipmentSettings = SETTINGS) -> Result:
        record = a_record("5001", topic="raw.heartland.fulfilment")
        record.envelope = replace(record.envelope, body=body, entity="fulfilment", id="heartland:invoice:100877:x")
        return await transform(record, self.skus, settings, self.producer, self.clock)  # type: ignore[arg-type]

    @property
    def event(self) -> FulfilmentEvent:
        return FulfilmentEvent.model_validate_json(self.producer.sent[-1][1].body)


@pytest.fixture
async def harness() -> Harness:
    return Harness()


def a_notice(invoice: dict[str, Any] | None = None, *lines: dict[str, Any]) -> bytes:
    return decimal_json.dumps({"invoice": invoice or an_invoice(), "lines": list(lines) or [an_invoice_line()]})


async def test_a_shipment_is_published_under_its_order(harness: Harness) -> None:
    result = await harness.transform(a_notice(an_invoice(updated_at="2026-11-21T09:05:00+00:00")))

    topic, envelope = harness.producer.sent[0]
    assert (topic, envelope.subject, envelope.entity) == (CANONICAL_FULFILMENT, "5001", "fulfilment")
    assert (harness.event.key, harness.event.source, harness.event.lineage) == (
        "5001", "heartland", ("heartland:invoice:100877:x",),
    )  # fmt: skip
    assert harness.event.version == datetime(2026, 11, 21, 9, 5, tzinfo=UTC)
    assert [(line.sku, line.quantity) for line in harness.event.record.lines] == [("TEE", 1)]
    assert (result.outcome, result.shopify_id, result.heartland_id) == ("published", "5001", "100200")


async def test_the_same_notice_twice_is_the_same_event_and_a_later_one_another(harness: Harness) -> None:
    later = a_notice(an_invoice(updated_at="2026-11-21T10:00:00+00:00"))
    for body in (a_notice(), a_notice(), later):
        await harness.transform(body)

    first, second, third = (envelope.id for _, envelope in harness.producer.sent)
    assert first == second != third


@pytest.mark.parametrize(
    ("invoice", "line", "why"),
    [
        pytest.param({"status": "pending"}, {}, "not complete", id="a draft"),
        pytest.param({"voided?": True}, {}, "not complete", id="voided"),
        pytest.param({}, {"item_id": 100302}, "no goods", id="a tip alone"),
        pytest.param({}, {"type": "TaxLine", "item_id": None}, "no goods", id="taxes alone"),
    ],
)
async def test_what_ships_nothing_ends_here(
    harness: Harness, invoice: dict[str, Any], line: dict[str, Any], why: str
) -> None:
    result = await harness.transform(a_notice(an_invoice(**invoice), an_invoice_line(**line)))

    assert result.outcome == "skipped"
    assert why in result.detail
    assert harness.producer.sent == []


async def test_parts_of_a_unit_go_to_a_person(harness: Harness) -> None:
    with pytest.raises(NeedsReview):
        await harness.transform(a_notice(None, an_invoice_line(qty=Decimal("0.5"))))


async def test_what_waited_out_an_outage_is_caught_up_behind_the_rest() -> None:
    harness = Harness()
    record = a_record("5001", topic="raw.heartland.fulfilment")
    body = decimal_json.dumps({"invoice": an_invoice(), "lines": [an_invoice_line()]})
    record.envelope, record.urgent = replace(record.envelope, body=body), False

    await transform(record, harness.skus, SETTINGS, harness.producer, harness.clock)  # type: ignore[arg-type]

    assert harness.items.priorities == ["backfill"]
    assert harness.producer.sent[0][1].priority == "backfill"


async def test_an_item_that_is_not_listed_is_tried_later(harness: Harness) -> None:
    with pytest.raises(RetryLater, match="does not list: 7") as caught:
        await harness.transform(a_notice(None, an_invoice_line(7)))
    assert not isinstance(caught.value, TargetDown)

    harness.items.known[7] = "LATE"
    assert (await harness.transform(a_notice(None, an_invoice_line(7)))).outcome == "published"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b"{}", b'{"invoice": []}', b'{"invoice": {}, "lines": {}}', b"\xff\xfe",
        b'{"invoice": {}, "lines": [1]}', b'{"invoice": {"id": NaN}, "lines": []}', b"[" * 100_000,
        b'{"invoice": {"status": "complete"}, "lines": []}',
        b'{"invoice": {"status": "complete", "id": 1, "order_id": 2}, "lines": []}',
    ],
)  # fmt: skip
async def test_what_is_no_notice_is_rejected(harness: Harness, body: bytes) -> None:
    with pytest.raises(Rejected):
        await harness.transform(body)


def anything_for(record: dict[str, Any], *, but: str) -> dict[Any, Any]:
    return {name: JSON for name in record if name != but}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
INVOICE: dict[Any, Any] = {"status": st.just("complete")}
LINE: dict[Any, Any] = {"type": st.just("ItemLine")}
NOTICES: Any = st.fixed_dictionaries(
    {
        "invoice": st.fixed_dictionaries(INVOICE, optional=anything_for(an_invoice(), but="status")),
        "lines": st.lists(
            st.fixed_dictionaries(LINE, optional=anything_for(an_invoice_line(), but="type")), max_size=2
        ),
    }
)


@given(NOTICES | JSON)
async def test_no_notice_breaks_the_service(notice: Any) -> None:
    with contextlib.suppress(Rejected, RetryLater, NeedsReview):
        await Harness().transform(orjson.dumps(notice))


@given(st.binary(max_size=200))
async def test_no_bytes_break_the_service(body: bytes) -> None:
    with pytest.raises(Rejected):
        await Harness().transform(body)


# SKUs


async def test_items_are_asked_for_once_and_together(harness: Harness) -> None:
    await harness.skus.of([100301, 100302])
    await harness.skus.of([100301])

    assert harness.items.asked == [[100301, 100302]]


async def test_a_corrected_item_number_is_seen_after_a_while(harness: Harness) -> None:
    await harness.skus.of([100301])
    harness.items.known[100301] = "TEE-2"
    harness.clock.advance(601)

    assert await harness.skus.of([100301]) == {100301: "TEE-2"}


async def test_memory_is_bounded(harness: Harness) -> None:
    harness.items.known = {number: str(number) for number in range(12_000)}
    await harness.skus.of(range(12_000))
    await harness.skus.of([1])

    assert harness.items.asked[-1] == [1]
