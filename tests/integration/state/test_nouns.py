"""The small tables: links, reviews, cursors."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from shared.errors import NeedsReview
from shared.state.cursors import Cursors
from shared.state.database import Database
from shared.state.links import Links
from shared.state.reviews import Reviews

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def test_a_link_is_found_from_both_sides(db: Database) -> None:
    links = Links(db)
    await links.put("demo", "order", "11", "77", "S-1001")

    assert await links.get("demo", "order", shopify_id="11") == await links.get("demo", "order", heartland_id="77")
    assert list(await links.by_heartland_ids("demo", "order", ["77", "78"])) == ["77"]
    assert await links.get("other", "order", shopify_id="11") is None
    assert await links.get("demo", "order") is None


async def test_linking_again_is_harmless_and_may_add_the_number(db: Database) -> None:
    links = Links(db)
    for number in ("", "S-1001", ""):
        await links.put("demo", "order", "11", "77", number)

    link = await links.get("demo", "order", shopify_id="11")

    assert link is not None
    assert link.heartland_public_id == "S-1001"


@pytest.mark.parametrize(("shopify_id", "heartland_id"), [("11", "78"), ("12", "77")])
async def test_a_second_partner_is_for_a_person_to_decide(db: Database, shopify_id: str, heartland_id: str) -> None:
    links = Links(db)
    await links.put("demo", "order", "11", "77")

    with pytest.raises(NeedsReview) as conflict:
        await links.put("demo", "order", shopify_id, heartland_id)

    assert conflict.value.kind == "link_conflict"
    assert conflict.value.details["known"] == ["Shopify 11 = Heartland 77"]


async def test_a_link_moves_to_what_took_the_place_of_its_record(db: Database) -> None:
    links = Links(db)
    await links.put("demo", "customer", "11", "77")

    await links.put("demo", "customer", "11", "78", instead_of="77")

    link = await links.get("demo", "customer", shopify_id="11")
    assert link is not None
    assert link.heartland_id == "78"


@pytest.mark.parametrize(("there", "heartland_id"), [("76", "78"), ("77", "79")], ids=["moved on", "another's"])
async def test_a_link_does_not_move_where_somebody_else_would_lose_theirs(
    db: Database, there: str, heartland_id: str
) -> None:
    links = Links(db)
    await links.put("demo", "customer", "11", there)
    await links.put("demo", "customer", "12", "79")

    with pytest.raises(NeedsReview, match="cannot be linked"):
        await links.put("demo", "customer", "11", heartland_id, instead_of="77")


async def test_of_two_who_link_the_same_record_differently_one_wins(db: Database) -> None:
    links = Links(db)

    ends = await asyncio.gather(
        *(links.put("demo", "order", "11", str(number)) for number in range(4)), return_exceptions=True
    )

    assert sum(end is None for end in ends) == 1
    assert sum(isinstance(end, NeedsReview) for end in ends) == 3


async def test_a_review_is_one_entry_however_often_it_is_found(db: Database) -> None:
    reviews = Reviews(db)
    for difference in ("0.01", "0.02"):
        await reviews.open("demo", "order_unbalanced", "order", "11", "off", "look", {"difference": difference})

    (review,) = await reviews.list()

    assert review.details == {"difference": "0.02"}


async def test_a_resolved_review_opens_again(db: Database) -> None:
    reviews = Reviews(db)
    await reviews.open("demo", "order_unbalanced", "order", "11", "off", "look", {})

    assert await reviews.resolve("demo", "order", "11", ["order_unbalanced", "other"]) == 1
    assert await reviews.list() == []
    assert len(await reviews.list("resolved")) == 1
    await reviews.open("demo", "order_unbalanced", "order", "11", "off again", "look", {})

    assert [review.title for review in await reviews.list()] == ["off again"]


async def test_a_cursor_holds_the_last_position(db: Database) -> None:
    cursors = Cursors(db)
    assert await cursors.get("demo", "invoices") is None

    for number in (1, 2):
        await cursors.put("demo", "invoices", {"after": number})

    assert await cursors.get("demo", "invoices") == {"after": 2}
    assert await cursors.get("other", "invoices") is None
