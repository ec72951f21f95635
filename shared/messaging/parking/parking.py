"""Parks keys whose event cannot succeed yet: they wait in the database, and the watermark passes them.

Later events of the key queue behind it there; all other keys continue. Parking, appending and retrying are work of the
key's lane, so they never race each other in this process.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta

from shared.errors import Fenced, IntegrationError, TargetDown, Waiting
from shared.messaging.consumer.outages import awaits, is_outage
from shared.messaging.consumer.reporter import Reporter
from shared.messaging.lanes.lane import LaneKey, Partition, Work
from shared.messaging.lanes.lanes import Lanes
from shared.messaging.parking.parked_retry import ParkedRetry
from shared.messaging.parking.parked_rows import record_of, row_of
from shared.messaging.record import ConsumerOptions, Result, Route
from shared.runtime.clock import Clock
from shared.runtime.logging import masked
from shared.state.parked import Parked, ParkedKey

# Due keys in memory at once, per connection, so that one whose vendor is down leaves room for others.
_DUE_AT_ONCE = 32
# How often the database is queried although no parked key is known: a former owner may have parked one late.
_BLIND_CHECK_SECONDS = 15.0


class Parking:
    """Parks, appends, and finds due keys. `due` holds the keys that their lanes are about to retry."""

    def __init__(
        self,
        lanes: Lanes,
        parked: Parked,
        reporter: Reporter,
        options: ConsumerOptions,
        clock: Clock,
        instance: str = "",
    ) -> None:
        self.due: dict[LaneKey, ParkedKey] = {}
        self._lanes = lanes
        self._parked = parked
        self._reporter = reporter
        self._options = options
        self._clock = clock
        self._woken = asyncio.Event()
        self._instance = instance
        # The epoch, in the database, of each partition that is ours.
        self._epochs: dict[Partition, int] = {}
        self._last_blind = 0.0
        self._last_awaited = 0.0

    async def load(self, assigned: Iterable[Partition]) -> list[LaneKey]:
        """Take over these partitions and load their parked keys; no record may start before."""
        found: list[LaneKey] = []
        epochs: dict[Partition, int] = {}
        for topic, partitions in _by_topic(assigned).items():
            taken = await self._parked.take(topic, partitions, self._instance)
            epochs |= {(topic, number): epoch for number, epoch in taken.epochs.items()}
            found += [(key.topic, key.key) for key in taken.keys]
        self._epochs = epochs
        return found

    async def park(self, work: Work, route: Route, error: IntegrationError, wait: float) -> None:
        """Park the key with the work's records. Raises TargetDown without a database."""
        await self._park(work, route, error, wait, error.waits_for if isinstance(error, Waiting) else None)

    async def shed(self, work: Work, route: Route, error: TargetDown) -> None:
        """As `park`, for records that wait for a vendor that is down: no attempt is counted."""
        await self._park(work, route, error, self._options.outage_rest_seconds, awaits(error.target))

    async def _park(
        self, work: Work, route: Route, error: IntegrationError, wait: float, waits_for: str | None
    ) -> None:
        now = self._clock.now()
        kept = work.records[-1:] if route.collapse else work.records
        topic, key = work.key
        parked_key = ParkedKey(
            topic=topic,
            partition=kept[0].partition,
            key=key,
            connection=kept[0].envelope.connection,
            entity=route.entity,
            state="waiting",
            reason=masked(error.reason),
            error_class=type(error).__name__,
            waits_for=waits_for,
            attempts=0,
            first_failed_at=now,
            next_attempt_at=now + timedelta(seconds=wait),
        )
        rows = [row_of(record, key) for record in kept]
        await self._parked.park(parked_key, rows, self._epoch(work, parked_key.partition))
        if self._lanes.is_current(work):
            self._lanes.park(work.key)

    async def append(self, work: Work, route: Route) -> bool:
        """Append the work's records to the parked ones. False if the key is no longer parked: they may run."""
        topic, key = work.key
        kept = work.records[-1:] if route.collapse else work.records
        started_at = self._clock.now()
        rows = [row_of(record, key) for record in kept]
        dropped = await self._parked.append(topic, key, rows, route.collapse, self._epoch(work, kept[0].partition))
        if dropped is None:
            if self._lanes.is_current(work):
                self._lanes.unpark(work.key)
            return False
        result = Result("parked", "waits behind an earlier event of its key")
        for group in [work.records] if route.collapse else [[record] for record in kept]:
            self._reporter.ended(route, group, result, started_at)
        for row in dropped:
            self._reporter.ended(route, [record_of(row)], Result("superseded", "by a newer state"), started_at)
        return True

    def _epoch(self, work: Work, partition: int) -> int:
        """The epoch with which this work may change parked records. Raises Fenced once its assignment is over."""
        epoch = self._epochs.get((work.key[0], partition))
        if epoch is None or not self._lanes.is_current(work):
            raise Fenced(f"the assignment of {work.key[0]} is over")
        return epoch

    async def retry(self, work: Work, route: Route, parked_retry: ParkedRetry) -> None:
        """Retry a due key. Raises TargetDown if the retry must be repeated."""
        key = self.due.get(work.key)
        if key is None:
            return
        free = await parked_retry.retry(key, route, self._epoch(work, key.partition), work.lane)
        if self._lanes.is_current(work):
            del self.due[work.key]
            if free:
                self._lanes.unpark(work.key)
            # More may be due than was taken into memory.
            self._woken.set()

    # Finding what is due.

    async def watch(self, ready: Callable[[], None]) -> None:
        """Look for due keys until cancelled; call `ready` when lanes have got work."""
        while True:
            await self._pause()
            try:
                await self._check_due(ready)
            except TargetDown:
                # The service cannot work without its database: the next round tries again.
                continue

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._options.retry_check_seconds):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()

    async def _check_due(self, ready: Callable[[], None]) -> None:
        now = self._clock.monotonic()
        if self._lanes.parked:
            await self._wake_awaited(now)
        elif now - self._last_blind < _BLIND_CHECK_SECONDS:
            return
        self._last_blind = now
        await self._collect_due()
        ready()

    async def _wake_awaited(self, now: float) -> None:
        if self._options.awaited is None or now - self._last_awaited < self._options.awaited_check_seconds:
            return
        self._last_awaited = now
        waiting = await self._parked.awaited()
        names = {
            f"{key.connection}|{name}": (key.connection, name)
            for name, keys in waiting.items()
            if not is_outage(name)
            for key in keys
        }
        if not names:
            return
        there = await self._options.awaited(set(names))
        if there:
            await self._parked.wake({names[name] for name in there}, self._clock.now())

    async def _collect_due(self) -> None:
        epoch = self._lanes.epoch
        held = Counter((key.topic, key.connection) for key in self.due.values())
        for topic, partitions in _by_topic(self._epochs).items():
            due = await self._parked.due(self._clock.now(), topic, partitions, _DUE_AT_ONCE)
            if self._lanes.epoch != epoch:
                return
            for key in due:
                self._queue_retry(key, held)

    def _queue_retry(self, key: ParkedKey, held: Counter[tuple[str, str]]) -> None:
        lane, shop = (key.topic, key.key), (key.topic, key.connection)
        if lane not in self.due:
            if held[shop] >= _DUE_AT_ONCE:
                return
            held[shop] += 1
        self.due[lane] = key
        self._lanes.retry_parked(lane, key.connection)

    async def count(self) -> dict[str, int]:
        """Parked keys per entity, of the whole service."""
        return await self._parked.count()

    def forget(self) -> None:
        """Forget all keys: the assignment has ended."""
        self._epochs = {}
        self.due.clear()


def _by_topic(assigned: Iterable[Partition]) -> dict[str, list[int]]:
    topics: dict[str, list[int]] = {}
    for topic, partition in assigned:
        topics.setdefault(topic, []).append(partition)
    return topics
