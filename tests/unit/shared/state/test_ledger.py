from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.state.database import clean
from shared.state.ledger import CLAIM, DONE, FAILED, Claim, Effect, Ledger, _Row, effect_id
from tests.support.clock import FakeClock


def test_an_effect_has_the_same_id_for_all_time() -> None:
    effect = Effect("demo", "heartland", "order", "1001", "order:create")

    assert effect.id == effect_id("demo", "heartland", "order", "1001", "order:create")
    assert effect.id == "55ae81d8ad5b50e379ca224069ff725e49e40f42927e1c428d605d8cb78dcdec"


def test_parts_never_run_together() -> None:
    assert effect_id("a", "b", "c", "d1", "2:e") != effect_id("a", "b", "c", "d", "12:e")
    assert effect_id("ab", "", "c", "d", "e") != effect_id("a", "b", "c", "d", "e")


class Script:
    """A database that answers from a list and remembers what it was asked."""

    def __init__(self, *answers: list[dict[str, Any]]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        self.tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> object:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        return task

    async def fetch(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        self.asked.append((sql, values))
        return self.answers.pop(0)

    async def fetchrow(self, sql: str, *values: Any) -> dict[str, Any] | None:
        rows = await self.fetch(sql, *values)
        return rows[0] if rows else None

    async def execute(self, sql: str, *values: Any) -> None:
        self.asked.append((sql, values))


PAY = Effect("main", "heartland", "order", "1", "payment:1")
OTHER = Effect("main", "heartland", "order", "2", "payment:2")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def row(effect: Effect, state: str, *, attempts: int = 1, result: object = None) -> dict[str, Any]:
    return {
        "connection": effect.connection, "effect_id": effect.id, "operation": effect.operation, "state": state,
        "result": result, "sent_at": NOON, "attempts": attempts,
    }  # fmt: skip


def ledger(*answers: list[dict[str, Any]]) -> tuple[Ledger, Script]:
    script = Script(*answers)
    return Ledger(script, FakeClock(NOON)), script  # type: ignore[arg-type]


async def test_what_was_inserted_is_ours_and_nothing_else_is_read() -> None:
    made, script = ledger([row(PAY, "new", result={"a": 1})])

    assert await made.claim(PAY, {"a": 1}) == Claim("new", {"a": 1}, NOON, 1)

    [(sql, values)] = script.asked
    assert sql == CLAIM
    assert values[:6] == (["main"], [PAY.id], ["heartland"], ["order"], ["1"], ["payment:1"])
    assert values[6:] == ([{"a": 1}], NOON)


@pytest.mark.parametrize(("stored", "state"), [("sent", "in_doubt"), ("done", "done")])
async def test_what_was_there_first_is_read(stored: str, state: str) -> None:
    made, script = ledger([], [row(PAY, stored, attempts=2)])

    assert await made.claim(PAY) == Claim(state, None, NOON, 2)  # type: ignore[arg-type]
    assert script.asked[1][1] == (["main"], [PAY.id])


async def test_what_failed_in_between_is_claimed_in_another_round() -> None:
    made, script = ledger([], [row(PAY, "failed")], [row(PAY, "new", attempts=2)])

    assert (await made.claim(PAY)).state == "new"
    assert [sql for sql, _ in script.asked] == [CLAIM, script.asked[1][0], CLAIM]


async def test_only_what_is_not_ours_is_read_and_each_gets_its_own_answer() -> None:
    first, second = sorted((PAY, OTHER), key=lambda effect: effect.id)
    made, script = ledger([row(first, "new")], [row(second, "sent")])

    rows = [_Row(second, second.id, None), _Row(first, first.id, None)]
    claims = await made._claim(rows)

    assert [claim.state for claim in claims] == ["in_doubt", "new"]
    assert script.asked[0][1][1] == [first.id, second.id], "in the same order in every process"
    assert script.asked[1][1] == (["main"], [second.id])


async def test_outcomes_are_told_apart() -> None:
    made, script = ledger()

    await made.done(PAY, {"id": 7})
    await made.failed(PAY, "refused\0")

    (done, values), (failed, others) = script.asked
    assert (done, failed) == (DONE, FAILED)
    assert values[6:] == ([{"id": 7}], NOON)
    assert others == (["main"], [PAY.id], [clean("refused\0")], [None])


async def test_a_claim_fails_for_who_saw_it_and_rows_are_locked_in_one_order() -> None:
    first, second = sorted((PAY, OTHER), key=lambda effect: effect.id)
    made, script = ledger()

    await made._settle([_Row(second, second.id, None, "b"), _Row(first, first.id, None, "c", NOON)])
    await made.failed(PAY, "no", Claim("new", None, NOON, 1))

    (_, both), (_, one) = script.asked
    assert both == (["main", "main"], [first.id, second.id], ["c", "b"], [NOON, None])
    assert one == (["main"], [PAY.id], ["no"], [NOON])


async def test_a_claim_is_renewed_for_who_saw_it() -> None:
    seen = Claim("in_doubt", None, NOON, 1)
    made, script = ledger([row(PAY, "new", attempts=2)], [row(PAY, "new", attempts=3)])

    assert (await made.again(PAY, seen)).attempts == 2
    assert (await made.again(PAY)).state == "new"
    assert [values for _, values in script.asked] == [("main", PAY.id, NOON, NOON), ("main", PAY.id, NOON, None)]


async def test_who_saw_an_older_claim_gets_the_one_of_now() -> None:
    made, _ = ledger([], [], [row(PAY, "done", result={"id": 7})])

    assert await made.again(PAY, Claim("in_doubt", None, NOON, 1)) == Claim("done", {"id": 7}, NOON, 1)


async def test_of_a_key_each_operation_has_its_claim() -> None:
    made, script = ledger([row(PAY, "failed"), row(OTHER, "sent")])

    states = {name: claim.state for name, claim in (await made.of_key("main", "order", "1")).items()}

    assert states == {"payment:1": "new", "payment:2": "in_doubt"}
    assert script.asked[0][1] == ("main", "order", "1")


@pytest.mark.parametrize(("answer", "count"), [([{"effects": 3}], 3), ([], 0)])
async def test_doubts_are_counted(answer: list[dict[str, Any]], count: int) -> None:
    made, script = ledger(answer)

    assert await made.in_doubt("heartland") == count
    assert script.asked[0][1] == ("heartland",)
