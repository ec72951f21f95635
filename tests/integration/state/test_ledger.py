from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from shared.state.database import Database
from shared.state.ledger import Effect, Ledger
from tests.support.clock import FakeClock


def effect(key: str, operation: str = "order:create", connection: str = "demo") -> Effect:
    return Effect(connection, "heartland", "order", key, operation)


async def test_of_all_who_claim_an_effect_exactly_one_gets_it(db: Database, other_db: Database) -> None:
    mine, theirs = Ledger(db, FakeClock()), Ledger(other_db, FakeClock())
    effects = [effect(str(number)) for number in range(150)]

    claims = await asyncio.gather(*(ledger.claim(one) for one in effects for ledger in (mine, theirs, mine)))

    for number in range(len(effects)):
        states = sorted(claim.state for claim in claims[3 * number : 3 * number + 3])
        assert states == ["in_doubt", "in_doubt", "new"]


async def test_done_keeps_the_first_result(db: Database) -> None:
    ledger = Ledger(db, FakeClock())
    await ledger.claim(effect("1"))

    await ledger.done(effect("1"), {"id": 7})
    await ledger.done(effect("1"), {"id": 8})
    await ledger.failed(effect("1"), "too late")

    claim = await ledger.claim(effect("1"))
    assert (claim.state, claim.result) == ("done", {"id": 7})


async def test_what_failed_is_claimed_anew_by_one(db: Database, other_db: Database) -> None:
    mine, theirs = Ledger(db, FakeClock()), Ledger(other_db, FakeClock())
    await mine.claim(effect("1"))
    await mine.failed(effect("1"), "refused")

    claims = await asyncio.gather(mine.claim(effect("1")), theirs.claim(effect("1")))

    assert sorted(claim.state for claim in claims) == ["in_doubt", "new"]
    assert max(claim.attempts for claim in claims) == 2


async def test_an_effect_in_doubt_shows_its_intent_and_when_it_was_sent(db: Database) -> None:
    clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
    ledger = Ledger(db, clock)
    await ledger.claim(effect("1"), {"parts": [1]})
    clock.advance(60)

    claim = await ledger.claim(effect("1"))

    assert (claim.state, claim.result, claim.sent_at) == ("in_doubt", {"parts": [1]}, datetime(2026, 3, 1, tzinfo=UTC))
    assert await ledger.in_doubt("heartland") == 1


async def test_of_two_who_saw_the_same_doubt_one_sends_again(db: Database, other_db: Database) -> None:
    clock = FakeClock()
    mine, theirs = Ledger(db, clock), Ledger(other_db, clock)
    await mine.claim(effect("1"))
    seen = await mine.claim(effect("1"))
    clock.advance(30)

    claims = await asyncio.gather(mine.again(effect("1"), seen), theirs.again(effect("1"), seen))

    assert sorted(claim.state for claim in claims) == ["in_doubt", "new"]
    assert {claim.sent_at for claim in claims} == {clock.now()}


async def test_an_answer_that_came_after_the_look_up_counts(db: Database, other_db: Database) -> None:
    mine, theirs = Ledger(db, FakeClock()), Ledger(other_db, FakeClock())
    await mine.claim(effect("1"))
    seen = await theirs.claim(effect("1"))
    await mine.done(effect("1"), {"id": 7})

    claim = await theirs.again(effect("1"), seen)

    assert (claim.state, claim.result) == ("done", {"id": 7})


async def test_who_is_late_does_not_free_what_another_took_over(db: Database, other_db: Database) -> None:
    clock = FakeClock()
    mine, theirs = Ledger(db, clock), Ledger(other_db, clock)
    late = await mine.claim(effect("1"))
    clock.advance(30)
    taken_over = await theirs.again(effect("1"), late)

    await mine.failed(effect("1"), "the breaker is open", late)
    assert (await mine.claim(effect("1"))).state == "in_doubt"
    await theirs.failed(effect("1"), "refused", taken_over)
    assert (await mine.claim(effect("1"))).state == "new"


async def test_what_was_done_and_is_gone_may_be_sent_again(db: Database) -> None:
    ledger = Ledger(db, FakeClock())
    await ledger.done(effect("1"), {"id": 7})

    claim = await ledger.again(effect("1"))
    await ledger.done(effect("1"), {"id": 9})

    assert claim.state == "new"
    assert (await ledger.claim(effect("1"))).result == {"id": 9}


async def test_the_effects_of_a_key_are_found_by_operation(db: Database) -> None:
    ledger = Ledger(db, FakeClock())
    await ledger.done(effect("1"), {"id": 7})
    await ledger.claim(effect("1", "payment:5"))
    await ledger.claim(effect("1", "payment:6"))
    await ledger.failed(effect("1", "payment:6"), "refused")
    await ledger.claim(effect("1", connection="other"))

    states = {name: claim.state for name, claim in (await ledger.of_key("demo", "order", "1")).items()}

    assert states == {"order:create": "done", "payment:5": "in_doubt", "payment:6": "new"}


async def test_a_row_the_database_refuses_fails_alone(db: Database) -> None:
    ledger = Ledger(db, FakeClock())
    good = [effect(str(number)) for number in range(5)]

    results = await asyncio.gather(
        *(ledger.done(one, {"id": 1}) for one in good),
        ledger.done(effect("bad"), {"id": object()}),
        return_exceptions=True,
    )

    assert results[:5] == [None] * 5
    assert isinstance(results[5], Exception)
    assert {(await ledger.claim(one)).state for one in good} == {"done"}
