"""Group commit: calls that come at the same time share one statement, and one fsync.

A commit costs about 0.4 ms for one row and hardly more for a hundred. The first call of a quiet moment goes at once;
those that come while a statement is under way are collected for two milliseconds. Where calls come thick and fast,
each statement waits for `BUSY_SECONDS`, and takes with it what came meanwhile: a busy process has better to do than
one round trip per row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from shared.errors import IntegrationError

T = TypeVar("T")
R = TypeVar("R")

ROWS = 100
SECONDS = 0.002
BUSY_SECONDS = 0.05
# Waiting pays if this many more calls are to be expected meanwhile.
_WORTH_WAITING = 1.5
# Weight of the latest interval in the mean interval between calls.
_LATEST = 0.2


@dataclass(slots=True)
class _Call(Generic[T, R]):
    key: Hashable
    item: T
    answer: asyncio.Future[R]


class GroupCommit(Generic[T, R]):
    """`run` carries out many items in one statement and returns their answers in the same order.

    Two items of one `key` never share a statement: the second goes in a later one. If a statement fails for a reason
    of its content, its items are tried one by one, so that only the bad one fails. What a cancelled caller asked for
    is carried out all the same if `keep` says so; otherwise it is dropped if it has not gone out yet.
    `spawn` starts a task and holds on to it.
    """

    def __init__(
        self,
        run: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        key: Callable[[T], Hashable],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        *,
        keep: bool | Callable[[T], bool] = True,
    ) -> None:
        self._run = run
        self._key = key
        self._spawn = spawn
        self._keep = keep if callable(keep) else lambda item: keep
        self._waiting: list[_Call[T, R]] = []
        self._under_way = 0
        self._collecting = False
        self._called_at = 0.0
        self._interval = 1.0

    async def __call__(self, item: T) -> R:
        """The answer for `item`, once its statement is committed. Raises what the statement raised for it."""
        loop = asyncio.get_running_loop()
        self._pace(loop.time())
        call = _Call[T, R](self._key(item), item, loop.create_future())
        self._waiting.append(call)
        if len(self._waiting) >= ROWS:
            self._spawn(self._carry_out(self._take()))
        elif not self._collecting:
            self._collect_for(self._patience())
        return await call.answer

    def _pace(self, now: float) -> None:
        latest = min(now - self._called_at, 1.0)
        self._called_at = now
        self._interval += (latest - self._interval) * _LATEST

    def _patience(self) -> float:
        if self._interval * _WORTH_WAITING <= BUSY_SECONDS:
            return BUSY_SECONDS
        return SECONDS if self._under_way else 0.0

    def _collect_for(self, seconds: float) -> None:
        self._collecting = True
        self._spawn(self._collect(seconds))

    async def _collect(self, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        except BaseException:
            for call in self._waiting:
                call.answer.cancel()
            raise
        finally:
            self._collecting = False
        await self._carry_out(self._take())

    def _take(self) -> list[_Call[T, R]]:
        """The next group: one call of each key, in the order they came."""
        wanted = [call for call in self._waiting if not call.answer.cancelled() or self._keep(call.item)]
        group: dict[Hashable, _Call[T, R]] = {}
        self._waiting = []
        for call in wanted:
            if len(group) < ROWS and call.key not in group:
                group[call.key] = call
            else:
                self._waiting.append(call)
        return list(group.values())

    async def _carry_out(self, group: list[_Call[T, R]]) -> None:
        self._under_way += 1
        try:
            if group:
                await self._answer(group)
        finally:
            self._under_way -= 1
            if self._waiting and not self._collecting:
                self._collect_for(0.0)

    async def _answer(self, group: list[_Call[T, R]]) -> None:
        try:
            answers = await self._run([call.item for call in group])
        except IntegrationError as error:  # the database is away: that is everybody's fate
            _fail(group, error)
        except Exception as error:
            if len(group) == 1:
                _fail(group, error)
                return
            for call in group:
                await self._answer([call])
        except BaseException:
            for call in group:
                call.answer.cancel()
            raise
        else:
            for call, answer in zip(group, answers, strict=True):
                if not call.answer.done():
                    call.answer.set_result(answer)


def _fail(group: Sequence[_Call[T, R]], error: Exception) -> None:
    """Everyone gets an error of its own: tasks that raise one object would grow each other's traceback."""
    for call in group:
        if not call.answer.done():
            call.answer.set_exception(_copy(error))


def _copy(error: Exception) -> Exception:
    if not isinstance(error, IntegrationError):
        return error
    twin = type(error).__new__(type(error), *error.args)
    twin.__dict__.update(error.__dict__)
    twin.__cause__ = error.__cause__
    return twin
