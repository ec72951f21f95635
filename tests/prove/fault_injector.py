"""Executes the fault schedule: kills processes, cuts connections; records when each fault began and ended."""

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
from tests.prove.check.topic_data import service_of
from tests.prove.cluster import Cluster
from tests.prove.history import MISSED, History, InjectedFault, stamp
from tests.prove.kafka_client import KafkaClient
from tests.prove.samples import Samples
from tests.prove.schedule import PlannedFault
from tests.prove.vendor_faults import VENDOR_FAULTS, VendorFaults
from tests.support.proxy import Toxics

Json = dict[str, Any]
# Slow but working: a webhook's answer still arrives within Shopify's five seconds.
SLOW = Toxics(latency=0.1, jitter=0.1, bandwidth=100_000)
_READY_SECONDS = 45.0


class FaultInjector:
    """`kills` counts by service and `faults` by kind: only faults that were really injected."""

    def __init__(
        self,
        cluster: Cluster,
        vendor_faults: VendorFaults,
        samples: Samples,
        history: History,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._cluster = cluster
        self._vendors = vendor_faults
        self._samples = samples
        self._history = history
        self._tell = tell
        # Faults that would cancel each other out take turns at a target; all others may overlap.
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._stopped: set[tuple[str, int]] = set()
        self._do: Mapping[str, Callable[[PlannedFault], Awaitable[Json]]] = {
            "kill": self._kill,
            "stop": self._stop,
            "roll": self._roll,
            "broker": self._broker,
            "database": self._database,
            "cut": self._cut,
            "slow": self._slow,
            "lost_replies": self._drop_replies,
            "token": self._revoke,
            "republish": self._republish,
            "rejection": self._reject,
            **dict.fromkeys(VENDOR_FAULTS, self._vendor),
        }
        self.kills: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    async def run(self, faults: Sequence[PlannedFault]) -> None:
        """Returns when the last fault is over."""
        started = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for fault in faults:
                await asyncio.sleep(max(0.0, started + fault.at - time.monotonic()))
                tasks.create_task(self._inject(fault))

    async def heal(self) -> None:
        """Removes every fault that is still active."""
        self._cluster.proxies.heal()
        await self._vendors.heal()
        for process, pid in list(self._stopped):
            self._resume(process, pid)
        await self._cluster.broker.restart()
        await self._cluster.database.restart()

    async def _inject(self, fault: PlannedFault) -> None:
        async with self._turns[f"{_lock_group(fault)} {fault.target}"]:
            self._tell(f"{fault.kind} {fault.target}" + (f" for {fault.seconds:.0f} s" if fault.seconds else ""))
            began = stamp()
            if fault.kind == "kill" and not await self._wait_until_ready(fault.target):
                # Not ready for so long without a fault of ours: the checker must know.
                self._history.record_fault(InjectedFault(stamp(), MISSED, fault.target, began, stamp()))
                return
            began = stamp()
            details = await self._do[fault.kind](fault)
            healed = began if fault.kind == "kill" else stamp()
            self.faults[fault.kind] += 1
            self._history.record_fault(InjectedFault(stamp(), fault.kind, fault.target, began, healed, details))
        if fault.kind == "kill":
            self.kills[service_of(fault.target)] += 1
            await self._samples.note_offsets(f"kill {fault.target}")

    async def _wait_until_ready(self, process: str) -> bool:
        """Waits until the process is ready: a process that is down cannot be killed."""
        return await self._until(lambda: self._cluster.is_ready(process))

    async def _until(self, is_so: Callable[[], bool]) -> bool:
        """Whether the condition became true within the time limit."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_READY_SECONDS):
                while not is_so():
                    await self._cluster.stack.supervisor.changed()
                return True
        return False

    # Processes.

    async def _kill(self, fault: PlannedFault) -> Json:
        pid = self._cluster.pids[fault.target]
        await self._cluster.stack.supervisor.kill(fault.target)
        return {"pid": pid}

    async def _stop(self, fault: PlannedFault) -> Json:
        """Pauses a process for longer than its session timeout, so that it resumes as a zombie."""
        await self._wait_until_ready(fault.target)
        pid = self._cluster.signal(fault.target, signal.SIGSTOP)
        self._stopped.add((fault.target, pid))
        await asyncio.sleep(fault.seconds)
        self._resume(fault.target, pid)
        return {"pid": pid}

    def _resume(self, process: str, pid: int) -> None:
        self._stopped.discard((process, pid))
        if self._cluster.pids[process] == pid:
            with suppress(ProcessLookupError):
                self._cluster.signal(process, signal.SIGCONT)

    async def _roll(self, fault: PlannedFault) -> Json:
        """A rolling restart: each replica stops gracefully and is ready again before the next one stops."""
        for process in self._cluster.services[fault.target]:
            await self._wait_until_ready(process)
            before = self._cluster.pids[process]
            await self._cluster.stack.supervisor.restart(process)
            await self._until(partial(self._is_another, process, before))
        return {}

    def _is_another(self, process: str, pid: int) -> bool:
        return self._cluster.pids[process] != pid and self._cluster.is_ready(process)

    # Servers and network.

    async def _broker(self, fault: PlannedFault) -> Json:
        await self._cluster.broker.kill()
        await asyncio.sleep(fault.seconds)
        await self._cluster.broker.restart()
        return {}

    async def _database(self, fault: PlannedFault) -> Json:
        await self._cluster.database.kill()
        await asyncio.sleep(fault.seconds)
        await self._cluster.database.restart()
        return {}

    async def _cut(self, fault: PlannedFault) -> Json:
        proxy = self._cluster.proxies.named(fault.target)
        proxy.go_down()
        await asyncio.sleep(fault.seconds)
        proxy.heal()
        return {}

    async def _slow(self, fault: PlannedFault) -> Json:
        proxy = self._cluster.proxies.named(fault.target)
        proxy.requests = proxy.replies = SLOW
        await asyncio.sleep(fault.seconds)
        proxy.heal()
        return {}

    async def _drop_replies(self, fault: PlannedFault) -> Json:
        """Requests are executed, but their replies never arrive."""
        proxy = self._cluster.proxies.named(fault.target)
        proxy.replies = Toxics(timeout=True)
        await asyncio.sleep(fault.seconds)
        proxy.heal()
        return {}

    # Vendors.

    async def _vendor(self, fault: PlannedFault) -> Json:
        active = await self._vendors.add(fault.target, fault.kind)
        await asyncio.sleep(fault.seconds)
        await self._vendors.remove(active)
        return active

    async def _revoke(self, _: PlannedFault) -> Json:
        await self._cluster.control("POST", "/shopify/revoke_tokens")
        return {}

    # Used by the mutants' scenarios only, never by a random schedule.

    async def _republish(self, _: PlannedFault) -> Json:
        """Publishes old order records again, behind newer ones of the same key."""
        return {"records": await self._kafka().republish(CANONICAL_ORDER)}

    async def _reject(self, fault: PlannedFault) -> Json:
        """The broker rejects order records as too large, which is fatal for the producer that sent them."""
        await self._kafka().reject(CANONICAL_ORDER, fault.seconds)
        return {}

    def _kafka(self) -> KafkaClient:
        return KafkaClient(self._cluster.broker.bootstrap_servers, self._cluster.stack.engine.topic_prefix)


def _lock_group(fault: PlannedFault) -> str:
    """The lock group of a fault: faults of one group at one target would cancel each other out."""
    network = ("cut", "slow", "lost_replies")
    return "network" if fault.kind in network else "process" if fault.kind in ("kill", "stop", "roll") else fault.kind
