from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from shared.errors import TargetDown
from shared.state.group_commit import MAX_ROWS, GroupCommit
from tests.support.processes import until


class Statement:
    """Remembers what went together; `hold` keeps it under way."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.bad: set[int] = set()
        self.down = False
        self.hold = asyncio.Event()
        self.hold.set()
        self.tasks: set[asyncio.Task[None]] = set()

    async def run(self, items: Sequence[int]) -> list[str]:
        self.groups.append(list(items))
        await self.hold.wait()
        if self.down:
            raise TargetDown("away", after=2.0)
        if self.bad & set(items):
            raise ValueError("bad row")
        return [f"done {item}" for item in items]

    def grouped(self, *, keep: bool = True) -> GroupCommit[int, str]:
        def spawn(work: object) -> None:
            self.tasks.add(asyncio.ensure_future(work))  # type: ignore[arg-type]

        return GroupCommit(self.run, lambda item: item % 1000, spawn, keep=keep)


async def test_calls_of_one_moment_share_a_statement() -> None:
    statement = Statement()
    call = statement.grouped()

    answers = await asyncio.gather(*(call(number) for number in range(10)))

    assert answers == [f"done {number}" for number in range(10)]
    assert statement.groups == [list(range(10))]


async def test_a_statement_has_a_hundred_rows_at_most() -> None:
    statement = Statement()
    call = statement.grouped()

    await asyncio.gather(*(call(number) for number in range(250)))

    assert [len(group) for group in statement.groups] == [MAX_ROWS, MAX_ROWS, 50]


async def test_two_of_one_key_never_share_a_statement() -> None:
    statement = Statement()
    call = statement.grouped()

    answers = await asyncio.gather(call(1), call(1001), call(2))

    assert answers == ["done 1", "done 1001", "done 2"]
    assert statement.groups == [[1, 2], [1001]]


async def test_a_bad_row_fails_alone() -> None:
    statement = Statement()
    statement.bad = {3}
    call = statement.grouped()

    answers = await asyncio.gather(*(call(number) for number in range(5)), return_exceptions=True)

    assert isinstance(answers[3], ValueError)
    assert [answers[number] for number in (0, 1, 2, 4)] == ["done 0", "done 1", "done 2", "done 4"]


async def test_without_a_database_each_caller_gets_an_error_of_its_own() -> None:
    statement = Statement()
    statement.down = True
    call = statement.grouped()

    errors = await asyncio.gather(*(call(number) for number in range(3)), return_exceptions=True)

    assert all(isinstance(error, TargetDown) and error.after == 2.0 for error in errors)
    assert len({id(error) for error in errors}) == 3
    assert len(statement.groups) == 1


async def test_a_cancelled_caller_takes_no_row_of_another_with_it() -> None:
    statement = Statement()
    statement.hold.clear()
    call = statement.grouped()
    tasks = [asyncio.create_task(call(number)) for number in range(3)]
    await until(lambda: bool(statement.groups))

    tasks[0].cancel()
    statement.hold.set()

    assert await asyncio.gather(*tasks[1:]) == ["done 1", "done 2"]


@pytest.mark.parametrize(("keep", "sent"), [(True, [[1, 2]]), (False, [[2]])])
async def test_what_a_cancelled_caller_asked_for_is_kept_or_dropped(keep: bool, sent: list[list[int]]) -> None:
    statement = Statement()
    call = statement.grouped(keep=keep)
    first, second = asyncio.create_task(call(1)), asyncio.create_task(call(2))
    await asyncio.sleep(0)

    first.cancel()
    await second

    assert statement.groups == sent


async def test_calls_during_a_statement_do_not_wait_for_its_end() -> None:
    statement = Statement()
    statement.hold.clear()
    call = statement.grouped()
    first = asyncio.create_task(call(1))
    await until(lambda: bool(statement.groups))
    second = asyncio.create_task(call(2))

    await until(lambda: len(statement.groups) == 2)

    assert statement.groups == [[1], [2]]
    statement.hold.set()
    await asyncio.gather(first, second)


async def test_where_calls_come_thick_and_fast_a_statement_takes_what_comes_meanwhile() -> None:
    statement = Statement()
    call = statement.grouped()

    async def lane(first: int) -> None:
        for number in range(first, first + 20):
            await call(number)

    await asyncio.gather(*(lane(100 * lane_number) for lane_number in range(5)))

    assert len(statement.groups) < 50
    assert sum(len(group) for group in statement.groups) == 100


async def test_a_cancelled_collection_leaves_nobody_waiting() -> None:
    statement = Statement()
    call = statement.grouped()
    caller = asyncio.create_task(call(1))
    for _ in range(2):  # the caller begins, then the collection
        await asyncio.sleep(0)

    statement.tasks.pop().cancel()

    with pytest.raises(asyncio.CancelledError):
        await caller
