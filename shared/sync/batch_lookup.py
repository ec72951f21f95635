"""Batches small look-ups: what concurrent tasks ask for within a short window goes into one call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Generic, TypeVar

V = TypeVar("V")


class BatchLookup(Generic[V]):
    """Batches look-ups by name: one call of `load` for all names requested within `window_seconds`.

    Names requested while a call is running go into the next one. `load` also gets the ids of the records that need the
    names. A failed load fails for all its callers.
    """

    def __init__(
        self, load: Callable[[list[str], frozenset[str]], Awaitable[Mapping[str, V]]], window_seconds: float
    ) -> None:
        self._load = load
        self._window = window_seconds
        self._asked: dict[str, asyncio.Future[V | None]] = {}
        self._subjects: frozenset[str] = frozenset()
        self._task: asyncio.Task[None] | None = None

    async def get(self, names: Iterable[str], subjects: frozenset[str] = frozenset()) -> dict[str, V]:
        """What exists of `names`. `subjects` are the ids of the records that need them."""
        self._subjects |= subjects
        futures = {name: self._future(name) for name in names}
        if self._task is None and futures:
            self._task = asyncio.create_task(self._drain())
        # A caller that is cancelled must not take the answer away from the others.
        found = {name: await asyncio.shield(future) for name, future in futures.items()}
        return {name: value for name, value in found.items() if value is not None}

    def _future(self, name: str) -> asyncio.Future[V | None]:
        if name not in self._asked:
            self._asked[name] = asyncio.get_running_loop().create_future()
            self._asked[name].add_done_callback(_seen)
        return self._asked[name]

    async def _drain(self) -> None:
        try:
            await asyncio.sleep(self._window)
            while self._asked:
                asked, self._asked = self._asked, {}
                subjects, self._subjects = self._subjects, frozenset()
                await self._answer(asked, subjects)
        finally:
            self._task = None
            for future in self._asked.values():
                future.cancel()

    async def _answer(self, asked: dict[str, asyncio.Future[V | None]], subjects: frozenset[str]) -> None:
        try:
            found = await self._load(list(asked), subjects)
        except Exception as error:  # raised for every caller
            for future in asked.values():
                future.set_exception(error)
        except BaseException:
            for future in asked.values():
                future.cancel()
            raise
        else:
            for name, future in asked.items():
                future.set_result(found.get(name))


def _seen(future: asyncio.Future[V]) -> None:
    # All callers may be cancelled; an error that is not retrieved would be logged as lost.
    if not future.cancelled():
        future.exception()
