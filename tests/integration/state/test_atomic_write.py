"""Notes and standings: many tables, one statement."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from shared.runtime.clock import SystemClock
from shared.state.atomic_write import AtomicWriter, EffectOutcome, LinkPair, VersionMark, WriteAnswer, WriteSet
from shared.state.database import Database
from shared.state.ledger import Effect, Ledger
from shared.state.links import Links
from shared.state.target_state import TargetState, TargetStates
from shared.state.versions import Version

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CREATE = Effect("demo", "heartland", "order", "11", "order:create")
PAY = Effect("demo", "heartland", "order", "11", "payment:1")
ABOUT = ("demo", "order", "11")


def a_mark(key: str = "11", at: datetime = NOON, content: str = "a") -> VersionMark:
    return VersionMark("demo", "order", key, "heartland", Version(at, content))


def notes_of(db: Database) -> AtomicWriter:
    return AtomicWriter(db, SystemClock())


async def standing(db: Database, key: str = "11", customer: str = "") -> TargetState:
    return await TargetStates(db).get("demo", "order", key, "heartland", customer)


async def test_all_that_is_noted_together_is_there(db: Database) -> None:
    notes = notes_of(db)
    await notes.write(WriteSet(ABOUT, claims=[CREATE]))

    noted = await notes.write(
        WriteSet(
            ABOUT,
            claims=[PAY],
            outcomes=[EffectOutcome(CREATE, {"id": 77})],
            links=[LinkPair("demo", "order", "11", "77", "S-1001"), LinkPair("demo", "customer", "c1", "5")],
            versions=[a_mark()],
        )
    )

    claims = await Ledger(db, SystemClock()).of_key("demo", "order", "11")
    assert [claim.state for claim in noted.claims] == ["new"]
    assert (claims["order:create"].state, claims["order:create"].result) == ("done", {"id": 77})
    assert claims["payment:1"].state == "in_doubt"
    there = await standing(db, customer="c1")
    assert (there.version, there.buyer_id) == (Version(NOON, "a"), "5")
    assert there.link == await Links(db).get("demo", "order", shopify_id="11")


async def test_what_nobody_noted_stands_for_nothing(db: Database) -> None:
    assert await standing(db, "12", "c9") == TargetState()


async def test_of_all_who_claim_an_effect_one_may_send(db: Database, other_db: Database) -> None:
    writers = [notes_of(db), notes_of(other_db), notes_of(db)]

    noted = await asyncio.gather(*(writer.write(WriteSet(ABOUT, claims=[CREATE, PAY])) for writer in writers))

    for number in (0, 1):
        assert sorted(one.claims[number].state for one in noted) == ["in_doubt", "in_doubt", "new"]


async def test_what_was_given_back_may_be_claimed_anew(db: Database) -> None:
    notes = notes_of(db)
    await notes.write(WriteSet(ABOUT, claims=[PAY]))
    await notes.write(WriteSet(ABOUT, outcomes=[EffectOutcome(PAY, None, "the call was not made")]))

    noted = await notes.write(WriteSet(ABOUT, claims=[PAY]))

    assert (noted.claims[0].state, noted.claims[0].attempts) == ("new", 2)


async def test_what_is_done_stays_done(db: Database) -> None:
    notes = notes_of(db)
    await notes.write(WriteSet(ABOUT, claims=[PAY], versions=[a_mark()]))
    for outcome in (EffectOutcome(PAY, {"id": 1}), EffectOutcome(PAY, {"id": 2}), EffectOutcome(PAY, None, "no")):
        await notes.write(WriteSet(ABOUT, outcomes=[outcome]))

    noted = await notes.write(WriteSet(ABOUT, claims=[PAY]))

    assert (noted.claims[0].state, noted.claims[0].result) == ("done", {"id": 1})


async def test_linking_again_is_harmless_and_another_partner_is_told(db: Database) -> None:
    notes = notes_of(db)
    pair = LinkPair("demo", "order", "11", "77")
    await notes.write(WriteSet(ABOUT, links=[pair]))

    again = await notes.write(WriteSet(ABOUT, links=[pair._replace(heartland_public_id="S-1001")]))
    other = await notes.write(WriteSet(ABOUT, links=[pair._replace(heartland_id="78")], versions=[a_mark()]))

    assert again == WriteAnswer()
    ((told, conflict),) = other.conflicts
    assert (told.heartland_id, conflict.kind) == ("78", "link_conflict")
    there = await standing(db)
    assert there.link is not None
    assert (there.link.heartland_id, there.link.heartland_public_id) == ("77", "S-1001")


async def test_a_link_is_noted_in_the_place_of_one_that_is_gone(db: Database) -> None:
    notes = notes_of(db)
    pair = LinkPair("demo", "order", "11", "77")
    await notes.write(WriteSet(ABOUT, links=[pair]))

    noted = await notes.write(WriteSet(ABOUT, links=[pair._replace(heartland_id="78", instead_of="77")]))

    there = await standing(db)
    assert noted.conflicts == []
    assert there.link is not None
    assert there.link.heartland_id == "78"


async def test_a_version_is_never_lowered(db: Database) -> None:
    notes = notes_of(db)
    for at, content in ((NOON, "b"), (NOON - MINUTE, "a"), (NOON, "c")):
        await notes.write(WriteSet(ABOUT, versions=[a_mark(at=at, content=content)]))

    assert (await standing(db)).version == Version(NOON, "c")


async def test_many_lanes_share_a_statement(db: Database) -> None:
    notes = notes_of(db)

    def a_note(key: str) -> WriteSet:
        effect = Effect("demo", "heartland", "order", key, "order:create")
        return WriteSet(("demo", "order", key), [effect], links=[LinkPair("demo", "order", key, f"h{key}")])

    noted = await asyncio.gather(*(notes.write(a_note(str(key))) for key in range(250)))

    assert {one.claims[0].state for one in noted} == {"new"}
    assert len(await Links(db).by_heartland_ids("demo", "order", (f"h{key}" for key in range(250)))) == 250


async def test_a_link_that_two_notes_of_one_moment_make_is_one(db: Database) -> None:
    notes = notes_of(db)
    pair = LinkPair("demo", "customer", "c1", "5")

    noted = await asyncio.gather(*(notes.write(WriteSet((str(number),), links=[pair])) for number in range(3)))

    assert noted == [WriteAnswer()] * 3


async def test_text_that_the_database_cannot_hold_is_cleaned_the_same_way_everywhere(db: Database) -> None:
    key = "a\x00b"
    effect = Effect("demo", "heartland", "order", key, "order:create")
    noted = await notes_of(db).write(
        WriteSet((key,), [effect], links=[LinkPair("demo", "order", key, "9")], versions=[a_mark(key)])
    )

    assert noted.conflicts == []
    there = await standing(db, key)
    assert there.version == Version(NOON, "a")
    assert there.link is not None
