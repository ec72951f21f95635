"""Atomic writes and target states: many tables, one statement."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from shared.runtime.clock import SystemClock
from shared.state.atomic_write import AtomicWriter, EffectOutcome, LinkPair, VersionMark, WriteAnswer, WriteSet
from shared.state.database import Database
from shared.state.ledger import Effect, Ledger
from shared.state.links import Links
from shared.state.reviews import ReviewClosing, ReviewOpening, Reviews
from shared.state.target_state import TargetState, TargetStates
from shared.state.versions import Version, keys_with_other_definitions, read_version

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CREATE = Effect("demo", "heartland", "order", "11", "order:create")
PAY = Effect("demo", "heartland", "order", "11", "payment:1")
ABOUT = ("demo", "order", "11")


def a_mark(key: str = "11", at: datetime = NOON, content: str = "a") -> VersionMark:
    return VersionMark("demo", "order", key, "heartland", Version(at, content))


def writer_of(db: Database) -> AtomicWriter:
    return AtomicWriter(db, SystemClock())


async def state_of(db: Database, key: str = "11", customer: str = "") -> TargetState:
    return await TargetStates(db).get("demo", "order", key, "heartland", customer)


async def test_all_that_is_written_together_is_there(db: Database) -> None:
    writer = writer_of(db)
    await writer.write(WriteSet(ABOUT, claims={CREATE: None}))

    written = await writer.write(
        WriteSet(
            ABOUT,
            claims={PAY: None},
            outcomes=[EffectOutcome(CREATE, {"id": 77})],
            links=[LinkPair("demo", "order", "11", "77", "S-1001"), LinkPair("demo", "customer", "c1", "5")],
            versions=[a_mark()],
        )
    )

    claims = await Ledger(db, SystemClock()).of_key("demo", "order", "11")
    assert [claim.state for claim in written.claims.values()] == ["new"]
    assert (claims["order:create"].state, claims["order:create"].result) == ("done", {"id": 77})
    assert claims["payment:1"].state == "in_doubt"
    there = await state_of(db, customer="c1")
    assert (there.version, there.buyer_id) == (Version(NOON, "a"), "5")
    assert there.link == await Links(db).get("demo", "order", shopify_id="11")


async def test_what_nobody_written_stands_for_nothing(db: Database) -> None:
    assert await state_of(db, "12", "c9") == TargetState()


async def test_of_all_who_claim_an_effect_one_may_send(db: Database, other_db: Database) -> None:
    writers = [writer_of(db), writer_of(other_db), writer_of(db)]

    written = await asyncio.gather(
        *(writer.write(WriteSet(ABOUT, claims={CREATE: None, PAY: None})) for writer in writers)
    )

    for effect in (CREATE, PAY):
        assert sorted(one.claims[effect].state for one in written) == ["in_doubt", "in_doubt", "new"]


async def test_what_was_given_back_may_be_claimed_anew(db: Database) -> None:
    writer = writer_of(db)
    await writer.write(WriteSet(ABOUT, claims={PAY: None}))
    await writer.write(WriteSet(ABOUT, outcomes=[EffectOutcome(PAY, None, "the call was not made")]))

    written = await writer.write(WriteSet(ABOUT, claims={PAY: None}))

    assert (written.claims[PAY].state, written.claims[PAY].attempts) == ("new", 2)


async def test_what_is_done_stays_done(db: Database) -> None:
    writer = writer_of(db)
    await writer.write(WriteSet(ABOUT, claims={PAY: None}, versions=[a_mark()]))
    for outcome in (EffectOutcome(PAY, {"id": 1}), EffectOutcome(PAY, {"id": 2}), EffectOutcome(PAY, None, "no")):
        await writer.write(WriteSet(ABOUT, outcomes=[outcome]))

    written = await writer.write(WriteSet(ABOUT, claims={PAY: None}))

    assert (written.claims[PAY].state, written.claims[PAY].result) == ("done", {"id": 1})


async def test_linking_again_is_harmless_and_another_partner_is_told(db: Database) -> None:
    writer = writer_of(db)
    pair = LinkPair("demo", "order", "11", "77")
    await writer.write(WriteSet(ABOUT, links=[pair]))

    again = await writer.write(WriteSet(ABOUT, links=[pair._replace(heartland_public_id="S-1001")]))
    other = await writer.write(WriteSet(ABOUT, links=[pair._replace(heartland_id="78")], versions=[a_mark()]))

    assert again == WriteAnswer()
    ((told, conflict),) = other.conflicts
    assert (told.heartland_id, conflict.kind) == ("78", "link_conflict")
    there = await state_of(db)
    assert there.link is not None
    assert (there.link.heartland_id, there.link.heartland_public_id) == ("77", "S-1001")


async def test_a_link_is_written_in_the_place_of_one_that_is_gone(db: Database) -> None:
    writer = writer_of(db)
    pair = LinkPair("demo", "order", "11", "77")
    await writer.write(WriteSet(ABOUT, links=[pair]))

    written = await writer.write(WriteSet(ABOUT, links=[pair._replace(heartland_id="78", instead_of="77")]))

    there = await state_of(db)
    assert written.conflicts == []
    assert there.link is not None
    assert there.link.heartland_id == "78"


async def test_a_version_is_never_lowered(db: Database) -> None:
    writer = writer_of(db)
    for at, content in ((NOON, "b"), (NOON - MINUTE, "a"), (NOON, "c")):
        await writer.write(WriteSet(ABOUT, versions=[a_mark(at=at, content=content)]))

    assert (await state_of(db)).version == Version(NOON, "c")


async def test_many_lanes_share_a_statement(db: Database) -> None:
    writer = writer_of(db)

    def a_set(key: str) -> WriteSet:
        effect = Effect("demo", "heartland", "order", key, "order:create")
        return WriteSet(("demo", "order", key), {effect: None}, links=[LinkPair("demo", "order", key, f"h{key}")])

    written = await asyncio.gather(*(writer.write(a_set(str(key))) for key in range(250)))

    assert {claim.state for one in written for claim in one.claims.values()} == {"new"}
    assert len(await Links(db).by_heartland_ids("demo", "order", (f"h{key}" for key in range(250)))) == 250


async def test_a_link_that_two_notes_of_one_moment_make_is_one(db: Database) -> None:
    writer = writer_of(db)
    pair = LinkPair("demo", "customer", "c1", "5")

    written = await asyncio.gather(*(writer.write(WriteSet((str(number),), links=[pair])) for number in range(3)))

    assert written == [WriteAnswer()] * 3


async def test_text_that_the_database_cannot_hold_is_cleaned_the_same_way_everywhere(db: Database) -> None:
    key = "a\x00b"
    effect = Effect("demo", "heartland", "order", key, "order:create")
    written = await writer_of(db).write(
        WriteSet((key,), {effect: None}, links=[LinkPair("demo", "order", key, "9")], versions=[a_mark(key)])
    )

    assert written.conflicts == []
    there = await state_of(db, key)
    assert there.version == Version(NOON, "a")
    assert there.link is not None


async def test_an_intent_is_kept_with_its_claim(db: Database) -> None:
    writer = writer_of(db)
    made = await writer.write(WriteSet(ABOUT, {PAY: {"parts": [1]}}))
    again = await writer.write(WriteSet(ABOUT, {PAY: {"parts": [2]}}))

    assert (made.claims[PAY].result, again.claims[PAY].result) == ({"parts": [1]}, {"parts": [1]})


async def test_a_version_tells_with_what_it_was_written_and_whether_a_person_must_act(db: Database) -> None:
    version = Version(NOON, "a", 7, blocked=True, has_open_reviews=True)
    await writer_of(db).write(WriteSet(ABOUT, versions=[VersionMark(*ABOUT, "heartland", version)]))

    assert (await state_of(db)).version == version
    assert await read_version(db, *ABOUT, "heartland") == version
    assert await read_version(db, *ABOUT, "shopify") is None


async def test_what_was_written_with_other_definitions_is_listed_in_pages(db: Database) -> None:
    for key, definitions_version in (("1", 3), ("2", 4), ("3", 0), ("4", 3)):
        mark = VersionMark("demo", "order", key, "heartland", Version(NOON, "a", definitions_version))
        await writer_of(db).write(WriteSet(ABOUT, versions=[mark]))

    first = await keys_with_other_definitions(db, "demo", "order", "heartland", [4], since=NOON, limit=2)
    rest = await keys_with_other_definitions(
        db, "demo", "order", "heartland", [4], since=NOON, after=first[-1], limit=2
    )

    assert (first, rest) == (["1", "3"], ["4"])
    assert await keys_with_other_definitions(db, "demo", "order", "shopify", [4], since=NOON, limit=9) == []
    later = NOON + timedelta(seconds=1)
    assert await keys_with_other_definitions(db, "demo", "order", "heartland", [4], since=later, limit=9) == []


async def test_reviews_are_opened_updated_and_resolved_with_the_rest(db: Database) -> None:
    writer, reviews = writer_of(db), Reviews(db)

    def opening(kind: str, title: str) -> ReviewOpening:
        return ReviewOpening("demo", kind, "order", "11", title, "look", {"by": 1})

    twice = [opening("overpaid", "3 more"), opening("overpaid", "4 more"), opening("extra_lines", "lines")]
    await writer.write(WriteSet(ABOUT, openings=twice))
    assert {(one.kind, one.title) for one in await reviews.list()} == {("overpaid", "4 more"), ("extra_lines", "lines")}

    closing = ReviewClosing("demo", "order", "11", ("extra_lines", "order_missing"))
    await writer.write(WriteSet(ABOUT, openings=[opening("overpaid", "5 more")], closings=[closing]))

    assert [(one.kind, one.title, one.details) for one in await reviews.list()] == [("overpaid", "5 more", {"by": 1})]
    assert [one.kind for one in await reviews.list("resolved")] == ["extra_lines"]


async def test_what_a_person_decided_is_no_open_review_to_resolve(db: Database) -> None:
    writer, reviews = writer_of(db), Reviews(db)
    await writer.write(WriteSet(ABOUT, openings=[ReviewOpening("demo", "overpaid", "order", "11", "t", "a", {})]))
    [row] = await reviews.list()
    await reviews.decide(row.id, "ignore")

    await writer.write(WriteSet(ABOUT, closings=[ReviewClosing("demo", "order", "11", ("overpaid",))]))

    assert [one.kind for one in await reviews.list("decided")] == ["overpaid"]
