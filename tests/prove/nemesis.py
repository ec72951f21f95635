"""Carries the schedule out: pulls plugs, cuts lines, stops processes, and notes when each fault began and ended."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from shared.entities.order.spec import CANONICAL_ORDER
from tests.prove.cluster import Cluster
from tests.prove.history import MISSED, History, Struck, stamp
from tests.prove.log import Log
from tests.prove.samples import Samples
from tests.prove.schedule import Strike
from tests.prove.vendors import FAULTS, Vendors
from tests.support.proxy import Toxics

Json = dict[str, Any]
# Late and narrow, yet alive: a webhook's answer still comes within its five seconds.
SLOW = Toxics(latency=0.1, jitter=0.1, bandwidth=100_000)
_BACK_SECONDS = 45.0


class Nemesis:
    """`kills` counts by service, `faults` by kind: those that really struck."""

    def __init__(
        self,
        cluster: Cluster,
        vendors: Vendors,
        samples: Samples,
        history: History,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._cluster = cluster
        self._vendors = vendors
        self._samples = samples
        self._history = history
        self._tell = tell
        # One fault of a kind at a time at each target; different kinds overlap as they like.
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._stopped: set[tuple[str, int]] = set()
        self._do: Mapping[str, Callable[[Strike], Awaitable[Json]]] = {
            "kill": self._kill,
            "stop": self._stop,
            "roll": self._roll,
            "broker": self._broker,
            "database": self._database,
            "cut": self._cut,
            "slow": self._slow,
            "lost_replies": self._lose_replies,
            "token": self._revoke,
            "again": self._send_again,
            "refusal": self._refuse,
            **dict.fromkeys(FAULTS, self._vendor),
        }
        self.kills: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    async def run(self, strikes: Sequence[Strike]) -> None:
        """Returns when the last fault is over."""
        started = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for strike in strikes:
                await asyncio.sleep(max(0.0, started + strike.at - time.monotonic()))
                tasks.create_task(self._strike(strike))

    async def heal(self) -> None:
        """Whatever still hurts is ended."""
        self._cluster.lines.heal()
        await self._vendors.heal()
        for process, pid in list(self._stopped):
            self._go_on(process, pid)
        await self._cluster.broker.restart()
        await self._cluster.database.restart()

    async def _strike(self, strike: Strike) -> None:
        async with self._turns[f"{_what(strike)} {strike.target}"]:
            self._tell(f"{strike.kind} {strike.target}" + (f" for {strike.seconds:.0f} s" if strike.seconds else ""))
            began = stamp()
            if strike.kind == "kill" and not await self._there(strike.target):
                # Away for so long with nobody's help: the checker must know.
                self._history.struck(Struck(stamp(), MISSED, strike.target, began, stamp()))
                return
            began = stamp()
            details = await self._do[strike.kind](strike)
            healed = began if strike.kind == "kill" else stamp()
            self.faults[strike.kind] += 1
            self._history.struck(Struck(stamp(), strike.kind, strike.target, began, healed, details))
        if strike.kind == "kill":
            self.kills[_service(strike.target)] += 1
            await self._samples.note_offsets(f"kill {strike.target}")

    async def _there(self, process: str) -> bool:
        """Waits until the process is at work again: nobody can be killed twice."""
        return await self._until(lambda: self._cluster.is_ready(process))

    async def _until(self, is_so: Callable[[], bool]) -> bool:
        """Whether it came to be so within a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_BACK_SECONDS):
                while not is_so():
                    await self._cluster.stack.supervisor.changed()
                return True
        return False

    # Processes.

    async def _kill(self, strike: Strike) -> Json:
        pid = self._cluster.pids[strike.target]
        await self._cluster.stack.supervisor.kill(strike.target)
        return {"pid": pid}

    async def _stop(self, strike: Strike) -> Json:
        """Alive, yet away for so long that it is replaced: a zombie, when it goes on."""
        await self._there(strike.target)
        pid = self._cluster.signal(strike.target, signal.SIGSTOP)
        self._stopped.add((strike.target, pid))
        await asyncio.sleep(strike.seconds)
        self._go_on(strike.target, pid)
        return {"pid": pid}

    def _go_on(self, process: str, pid: int) -> None:
        self._stopped.discard((process, pid))
        if self._cluster.pids[process] == pid:
            with suppress(ProcessLookupError):
                self._cluster.signal(process, signal.SIGCONT)

    async def _roll(self, strike: Strike) -> Json:
        """A new version comes out: each replica leaves in good order and is back before the next one goes."""
        for process in self._cluster.services[strike.target]:
            await self._there(process)
            before = self._cluster.pids[process]
            await self._cluster.stack.supervisor.restart(process)
            await self._until(partial(self._is_another, process, before))
        return {}

    def _is_another(self, process: str, pid: int) -> bool:
        return self._cluster.pids[process] != pid and self._cluster.is_ready(process)

    # Servers and lines.

    async def _broker(self, strike: Strike) -> Json:
        await self._cluster.broker.kill()
        await asyncio.sleep(strike.seconds)
        await self._cluster.broker.restart()
        return {}

    async def _database(self, strike: Strike) -> Json:
        await self._cluster.database.kill()
        await asyncio.sleep(strike.seconds)
        await self._cluster.database.restart()
        return {}

    async def _cut(self, strike: Strike) -> Json:
        proxy = self._cluster.lines.named(strike.target)
        proxy.go_down()
        await asyncio.sleep(strike.seconds)
        proxy.heal()
        return {}

    async def _slow(self, strike: Strike) -> Json:
        proxy = self._cluster.lines.named(strike.target)
        proxy.requests = proxy.replies = SLOW
        await asyncio.sleep(strike.seconds)
        proxy.heal()
        return {}

    async def _lose_replies(self, strike: Strike) -> Json:
        """What is asked is done, but nobody hears of it."""
        proxy = self._cluster.lines.named(strike.target)
        proxy.replies = Toxics(timeout=True)
        await asyncio.sleep(strike.seconds)
        proxy.heal()
        return {}

    # Vendors.

    async def _vendor(self, strike: Strike) -> Json:
        fault = await self._vendors.add(strike.target, strike.kind)
        await asyncio.sleep(strike.seconds)
        await self._vendors.remove(fault)
        return fault

    async def _revoke(self, _: Strike) -> Json:
        await self._cluster.control("POST", "/shopify/revoke_tokens")
        return {}

    # No schedule has these: scenes that look for what they bring to light do.

    async def _send_again(self, _: Strike) -> Json:
        """Old orders come once more, behind newer ones."""
        return {"records": await self._log().send_again(CANONICAL_ORDER)}

    async def _refuse(self, strike: Strike) -> Json:
        """The broker takes no orders: whose record is refused has a producer that can go on no more."""
        await self._log().refuse(CANONICAL_ORDER, strike.seconds)
        return {}

    def _log(self) -> Log:
        return Log(self._cluster.broker.bootstrap_servers, self._cluster.stack.engine.topic_prefix)


def _what(strike: Strike) -> str:
    """Faults that would undo each other take turns."""
    lines = ("cut", "slow", "lost_replies")
    return "line" if strike.kind in lines else "process" if strike.kind in ("kill", "stop", "roll") else strike.kind


def _service(process: str) -> str:
    name, _, replica = process.rpartition("-")
    return name if replica.isdigit() else process
