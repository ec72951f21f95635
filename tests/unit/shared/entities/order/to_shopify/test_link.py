"""Links of many orders go into one call; one that Shopify refuses harms no other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.connectors.shopify.document import Document
from shared.connectors.shopify.errors import UserErrors
from shared.entities.order.link import Link
from shared.entities.order.to_shopify.link import LINKS_PER_CALL, LinkWriter, metafields
from shared.errors import TargetDown
from shared.limits.call_context import CallContext
from tests.support.messaging import until


class FakeShop:
    """Takes metafields as Shopify does: all of a call or none. `refused` are owners it does not know."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.contexts: list[CallContext] = []
        self.stored: set[str] = set()
        self.refused: set[str] = set()
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def execute(self, document: Document, variables: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
        self.contexts.append(context)
        owners = list(dict.fromkeys(field["ownerId"] for field in variables["metafields"]))
        assert len(variables["metafields"]) <= 25
        self.calls.append(owners)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        wrong = [owner for owner in owners if owner in self.refused]
        if wrong:
            errors = [{"code": "INVALID", "message": "Owner does not exist", "elementIndex": 0, "field": []}]
            return {"metafieldsSet": {"metafields": None, "userErrors": errors}}
        self.stored |= set(owners)
        return {"metafieldsSet": {"metafields": [], "userErrors": []}}


def a_link(number: int, **changes: Any) -> Link:
    values = {
        "entity": "order", "shopify_id": str(number), "heartland_id": f"10{number}",
        "heartland_public_id": f"S-{number}", "linked_at": datetime(2026, 11, 21, tzinfo=UTC),
    }  # fmt: skip
    return Link(**{**values, **changes})


def fields(number: int) -> list[dict[str, str]]:
    return metafields(a_link(number), "tillbridge")


def owner(number: int) -> str:
    return f"gid://shopify/Order/{number}"


@pytest.fixture
async def shop() -> FakeShop:
    return FakeShop()


@pytest.fixture
async def writer(shop: FakeShop) -> LinkWriter:
    return LinkWriter(shop, "live", wait_seconds=0.02)  # type: ignore[arg-type]


def test_a_link_is_two_metafields_of_its_order() -> None:
    assert [(one["ownerId"], one["key"], one["value"]) for one in fields(7)] == [
        (owner(7), "heartland_order_id", "107"),
        (owner(7), "heartland_order_number", "S-7"),
    ]


def test_a_number_that_is_not_known_is_left_out() -> None:
    assert [one["key"] for one in metafields(a_link(7, heartland_public_id=""), "n")] == ["heartland_order_id"]


def test_links_of_other_records_are_not_written() -> None:
    assert metafields(a_link(7, entity="customer"), "n") == []


async def test_links_of_one_moment_share_a_call(shop: FakeShop, writer: LinkWriter) -> None:
    await asyncio.gather(*(writer.write(fields(number), frozenset({str(number)})) for number in range(5)))

    assert shop.calls == [[owner(number) for number in range(5)]]
    assert shop.contexts == [CallContext("live", frozenset("01234"))], "the breaker learns which orders a call is for"


async def test_no_call_takes_more_than_shopify_does(shop: FakeShop, writer: LinkWriter) -> None:
    await asyncio.gather(*(writer.write(fields(number)) for number in range(40)))

    assert all(len(call) <= LINKS_PER_CALL for call in shop.calls)
    assert sorted(one for call in shop.calls for one in call) == sorted(map(owner, range(40)))
    assert len(shop.calls) == 4


async def test_a_full_call_does_not_wait(shop: FakeShop) -> None:
    writer = LinkWriter(shop, "live", wait_seconds=3600)  # type: ignore[arg-type]

    await asyncio.gather(*(writer.write(fields(number)) for number in range(LINKS_PER_CALL)))

    assert len(shop.calls) == 1


async def test_one_refused_order_refuses_the_call_and_then_only_itself(shop: FakeShop, writer: LinkWriter) -> None:
    shop.refused = {owner(2)}

    results = await asyncio.gather(*(writer.write(fields(number)) for number in range(4)), return_exceptions=True)

    assert [type(result) for result in results] == [type(None), type(None), UserErrors, type(None)]
    assert shop.stored == {owner(number) for number in (0, 1, 3)}


async def test_an_outage_reaches_everyone_who_waits(shop: FakeShop, writer: LinkWriter) -> None:
    shop.error = TargetDown("away")

    results = await asyncio.gather(*(writer.write(fields(number)) for number in range(3)), return_exceptions=True)

    assert [type(result) for result in results] == [TargetDown] * 3


async def test_an_error_of_ours_is_not_swallowed(shop: FakeShop, writer: LinkWriter) -> None:
    shop.error = KeyError("bug")

    with pytest.raises(KeyError):
        await writer.write(fields(1))


async def test_who_is_cancelled_takes_nobody_along(shop: FakeShop, writer: LinkWriter) -> None:
    shop.gate.clear()
    gone, stays = (asyncio.create_task(writer.write(fields(number))) for number in (1, 2))
    await until(lambda: shop.calls)
    gone.cancel()
    shop.gate.set()

    await stays
    assert gone.cancelled() or (await asyncio.wait({gone}))[0]
    assert shop.stored == {owner(1), owner(2)}


async def test_later_links_go_into_a_later_call(shop: FakeShop, writer: LinkWriter) -> None:
    await writer.write(fields(1))
    await writer.write(fields(2))

    assert shop.calls == [[owner(1)], [owner(2)]]
