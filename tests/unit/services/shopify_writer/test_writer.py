"""Which event goes where, and what happens to those that cannot be read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import orjson
import pytest

from shared.connectors.shopify.clients import ShopifyConnection
from shared.connectors.shopify.settings import ShopifySettings
from shared.entities.fulfilment.event import FulfilmentEvent
from shared.entities.fulfilment.to_shopify.fulfilment_sync import FulfilmentInShopify
from shared.entities.order.event import LinkEvent
from shared.entities.order.to_shopify.link_sync import LinkInShopify, LinkWriters
from shared.errors import Rejected, RetryLater, TargetDown
from shared.messaging.record import Record
from shared.state.connections import Connection
from shared.sync.create_once import CreateOnce, ReadLag
from shared.sync.sync import Sync
from tests.support.clock import FakeClock
from tests.support.memory_ledger import MemoryLedger
from tests.support.memory_state import MemoryAtomicWriter, Points, Stored
from tests.support.messaging import a_record
from tests.support.shipments import a_shipment, an_event, shipped
from tests.unit.shared.entities.order.to_shopify.test_link import FakeShop, a_link, owner


class FakeShops:
    def __init__(self, client: Any) -> None:
        self.client = client
        self.error: Exception | None = None

    def get(self, name: str) -> Any:
        if self.error:
            raise self.error
        settings = {"shopify": {"fulfilment": {"location_map": {"100005": "gid://shopify/Location/9"}}}}
        return ShopifyConnection(Connection(name, {}, settings), self.client, ShopifySettings())


@pytest.fixture
async def shop() -> FakeShop:
    return FakeShop()


@pytest.fixture
async def shops(shop: FakeShop) -> FakeShops:
    return FakeShops(shop)


@pytest.fixture
async def links(shops: FakeShops) -> Sync[LinkEvent]:
    shop_of: Any = shops.get
    return Sync(LinkInShopify(shop_of, LinkWriters(0.001)), writer=a_writer(FakeClock()), clock=FakeClock())


@pytest.fixture
async def fulfilments(shops: FakeShops) -> Sync[FulfilmentEvent]:
    clock, shop_of = FakeClock(), cast("Any", shops.get)
    ledger: Any = MemoryLedger(clock)
    entity = FulfilmentInShopify(shop_of, ledger, CreateOnce(ledger, clock), ReadLag(10.0))
    return Sync(entity, writer=a_writer(clock), clock=clock)


def a_writer(clock: FakeClock) -> Any:
    stored = Stored()
    return MemoryAtomicWriter(stored, MemoryLedger(clock, stored), Points())


def a_link_record(number: int = 7, **changes: Any) -> Record:
    link = a_link(number, **changes)
    event = LinkEvent(
        schema_name="tillbridge.link/1", connection="main", entity="link", source="heartland", key=link.shopify_id,
        version=link.linked_at, content_hash="", lineage=(), read_at=link.linked_at, record=link,
    )  # fmt: skip
    return a_record(body=event.model_dump_json().encode())


async def test_a_link_is_written_with_both_ids(links: Sync[LinkEvent], shop: FakeShop) -> None:
    result = await links.handle([a_link_record()])

    assert (result.outcome, result.shopify_id, result.heartland_id) == ("applied", "7", "107")
    assert shop.stored == {owner(7)}


async def test_what_is_repaired_waits_behind_live_calls(links: Sync[LinkEvent], shop: FakeShop) -> None:
    record = a_link_record()
    record.envelope = replace(record.envelope, extra={"x-priority": "repair"})

    await links.handle([record])

    assert [context.priority for context in shop.contexts] == ["repair"]


async def test_a_link_of_another_entity_is_left_alone(links: Sync[LinkEvent], shop: FakeShop) -> None:
    assert (await links.handle([a_link_record(entity="customer")])).outcome == "skipped"
    assert shop.calls == []


async def test_a_link_that_shopify_refuses_is_tried_later(links: Sync[LinkEvent], shop: FakeShop) -> None:
    shop.refused = {owner(7)}

    with pytest.raises(RetryLater) as caught:
        await links.handle([a_link_record()])
    assert not isinstance(caught.value, TargetDown)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"record": 1}', b"\xff", b"[" * 5000])
async def test_what_is_no_canonical_event_is_rejected(
    links: Sync[LinkEvent], fulfilments: Sync[FulfilmentEvent], body: bytes
) -> None:
    for handle in (fulfilments.handle, links.handle):
        with pytest.raises(Rejected, match="not a canonical"):
            await handle([a_record(body=body)])


async def test_the_reason_names_fields_and_no_values(fulfilments: Sync[FulfilmentEvent]) -> None:
    event = an_event(a_shipment(shipped("TEE"))).model_dump(mode="json")
    event["record"]["lines"][0]["quantity"] = "ada@example.com"
    record = a_record()
    record.envelope = replace(record.envelope, body=orjson.dumps(event))

    with pytest.raises(Rejected) as caught:
        await fulfilments.handle([record])
    assert "record.lines.0.quantity" in caught.value.reason
    assert "ada" not in caught.value.reason


async def test_a_shop_that_cannot_be_reached_keeps_the_event(
    fulfilments: Sync[FulfilmentEvent], shops: FakeShops
) -> None:
    shops.error = TargetDown("connection main: no credentials")

    with pytest.raises(TargetDown):
        await fulfilments.handle([a_record(body=an_event(a_shipment(shipped("TEE"))).model_dump_json().encode())])
