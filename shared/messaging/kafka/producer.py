"""The producer: acknowledged records are on all in-sync replicas; senders get the failures.

After a final failure, an idempotent producer of this client library is unusable: its sequence numbers have a gap, and
the broker refuses everything after it. So this producer outlives its client: it keeps unacknowledged records, replaces
a failed client and sends them again in their first order. That may duplicate a record, which consumers detect; it never
drops one silently or reorders two of a key.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import structlog
from aiokafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from shared.errors import Rejected, TargetDown
from shared.messaging.alert import Alert, alert_envelope
from shared.messaging.envelope import Envelope, Headers
from shared.messaging.kafka.clients import abandon_producer, connect_producer, stop_producer
from shared.messaging.kafka.pending_record import Deadlines, FlushGroup, PendingRecord, not_acknowledged
from shared.messaging.topics import ALERT, MAX_MESSAGE_BYTES, TRACE, Topic, topic_name
from shared.messaging.trace import Hop, trace_body, trace_headers
from shared.runtime.clock import Clock
from shared.runtime.settings import Settings

_TIMEOUT_SECONDS = 10.0
_CLOSE_SECONDS = 5.0
# A record that poisoned this many clients is given back to its sender.
_MAX_FAILURES = 3
# Most hops in one trace record, and how long the first of them waits for others, in seconds.
_HOPS = 200
_HOP_SECONDS = 0.1
_RECONNECT_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)


class Client(Protocol):
    """The part of aiokafka's producer used here."""

    async def send(
        self, topic: str, value: bytes | None, key: bytes | None, *, timestamp_ms: int, headers: Headers
    ) -> asyncio.Future[Any]: ...

    async def partitions_for(self, topic: str) -> set[int]: ...


@dataclass(frozen=True, slots=True)
class Clients:
    """Connects and closes clients. `abandon` drops unsent records, `stop` sends them first."""

    connect: Callable[[], Awaitable[Client]]
    abandon: Callable[[Any], Awaitable[None]]
    stop: Callable[[Any], Awaitable[None]]


class Producer:
    """Sends to Kafka. One task hands records to the client, first come first served.

    Made by `open_producer`.
    """

    def __init__(self, clients: Clients, prefix: str, clock: Clock) -> None:
        self._clients = clients
        self._prefix = prefix
        self._clock = clock
        self._log = structlog.get_logger()
        self._client: Client | None = None
        self._generation = 0
        self._poison: Exception | None = None
        self._queue: deque[PendingRecord] = deque()
        self._unacked: dict[PendingRecord, None] = {}
        self._flush_group = FlushGroup()
        self._closed_groups: list[FlushGroup] = []
        self._unsent_hops: list[Hop] = []
        self._hop_timer: asyncio.TimerHandle | None = None
        self._deadlines = Deadlines()
        self._known_topics: set[str] = set()
        self._trace = topic_name(prefix, TRACE)
        self._alert = topic_name(prefix, ALERT)
        # Trace and alert records by topic until its metadata is loaded, and the tasks that load it.
        self._awaiting_metadata: dict[str, list[PendingRecord]] = {}
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._connected = asyncio.Event()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_connected(self) -> bool:
        """Whether the last contact with a broker succeeded."""
        return self._connected.is_set() and self._poison is None

    async def send(self, topic: Topic, envelope: Envelope, timeout_seconds: float | None = None) -> None:
        """Publish under the envelope's key; returns once all in-sync replicas have it.

        Raises TargetDown after `timeout_seconds` (10 by default) or when the broker fails: the record may still land.
        Raises Rejected if it is above the size limit.
        """
        name = topic_name(self._prefix, topic)
        await self.send_raw(name, envelope.key, envelope.body, envelope.headers(), timeout_seconds)

    async def send_raw(
        self,
        name: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        timeout_seconds: float | None = None,
    ) -> None:
        """Publish these bytes to the topic of this full name. Raises as `send`."""
        if value is not None and len(value) > MAX_MESSAGE_BYTES:
            raise Rejected(f"a record for {name} has {len(value)} bytes, the limit is {MAX_MESSAGE_BYTES}")
        seconds = _TIMEOUT_SECONDS if timeout_seconds is None else timeout_seconds
        if name not in self._known_topics:
            await self._load_metadata_within(name, seconds)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        pending = PendingRecord(name, key, value, headers, done)
        self._enqueue(pending)
        self._deadlines.add(pending, seconds)
        await done

    async def _load_metadata_within(self, name: str, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._load_metadata(name)
        except TimeoutError as error:
            raise TargetDown(not_acknowledged(name, seconds)) from error

    def trace(self, hop: Hop) -> None:
        """Publish a hop without waiting for it; `flush` does. It is sent until the broker has it.

        Up to 200 hops, or those of a tenth of a second, share one record.
        """
        self._check()
        self._unsent_hops.append(hop)
        if len(self._unsent_hops) >= _HOPS:
            self._send_hops()
        elif self._hop_timer is None:
            self._hop_timer = asyncio.get_running_loop().call_later(_HOP_SECONDS, self._send_hops)

    def _send_hops(self) -> None:
        if self._hop_timer is not None:
            self._hop_timer.cancel()
            self._hop_timer = None
        if self._unsent_hops:
            hops, self._unsent_hops = self._unsent_hops, []
            self._send_untracked(self._trace, None, trace_body(hops), trace_headers(hops[-1]))

    def alert(self, alert: Alert) -> None:
        """Publish an alert event, as `trace` does a hop."""
        envelope = alert_envelope(alert)
        self._send_untracked(self._alert, envelope.key, envelope.body, envelope.headers())

    def _send_untracked(self, topic: str, key: bytes | None, value: bytes, headers: Headers) -> None:
        """Send a record that no task waits for; `flush` waits for all of them."""
        pending = PendingRecord(topic, key, value, headers, flush_group=self._flush_group)
        self._flush_group.add()
        if pending.topic in self._known_topics:
            self._enqueue(pending)
        else:
            self._awaiting_metadata.setdefault(pending.topic, []).append(pending)
            self._load_in_background(pending.topic)

    async def flush(self, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        """Return once every earlier hop and alert is acknowledged. Raises TargetDown after the time-out."""
        self._send_hops()
        if self._flush_group.open:
            self._closed_groups.append(self._flush_group)
            self._flush_group = FlushGroup()
        self._closed_groups = [hops for hops in self._closed_groups if hops.open]
        try:
            async with asyncio.timeout(timeout_seconds):
                for hops in tuple(self._closed_groups):
                    await hops.settled.wait()
        except TimeoutError as error:
            raise TargetDown(f"Kafka did not acknowledge trace records within {timeout_seconds:g} s") from error

    def _load_in_background(self, name: str) -> None:
        """Load the topic's metadata in a task of its own, so that the queue goes on meanwhile."""
        self._check()
        if name not in self._loading:
            self._loading[name] = asyncio.create_task(self._release_awaiting(name), name=f"topic {name}")

    async def _release_awaiting(self, name: str) -> None:
        while name not in self._known_topics:
            try:
                await self._load_metadata(name)
            except TargetDown as error:
                self._log.warning("trace or alert records wait for their topic", topic=name, error=error.reason)
                await asyncio.sleep(_RECONNECT_SECONDS[-1])
        for pending in self._awaiting_metadata.pop(name, ()):
            self._enqueue(pending)

    async def _load_metadata(self, name: str) -> None:
        """Load the topic's metadata here, not in the shared queue, where it would delay other topics."""
        await self._connected.wait()
        client = self._client
        if client is None:
            raise TargetDown("no connection to Kafka")
        try:
            await client.partitions_for(name)
        except KafkaError as error:
            raise TargetDown(f"Kafka shows no topic {name}: {error!r}") from error
        self._known_topics.add(name)

    def _check(self) -> None:
        if self._task is not None and self._task.done():
            raise RuntimeError("the producer is closed or has crashed") from _error_of(self._task)

    def _enqueue(self, pending: PendingRecord) -> None:
        self._check()
        self._queue.append(pending)
        self._wake.set()

    # The task that owns the client.

    async def start(self) -> None:
        """Connect in the background: while the broker is down, sends wait."""
        self._task = asyncio.create_task(self._run(), name="producer")

    async def close(self) -> None:
        """Send queued records if the broker answers, and close the client."""
        if self._task is None:
            return
        if self.is_connected:
            with suppress(TargetDown):
                await self.flush(_CLOSE_SECONDS)
        if self._hop_timer is not None:
            self._hop_timer.cancel()
        self._deadlines.close()
        tasks = {self._task, *self._loading.values()}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        if self._client is not None:
            await self._clients.stop(self._client)
        for pending in (*self._unacked, *self._queue):
            pending.settle(TargetDown("the producer was closed"))

    async def _run(self) -> None:
        self._client = await self._connect()
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._hand_over(self._client)
            if self._poison is not None:
                self._client = await self._replace(self._client)

    async def _hand_over(self, client: Client) -> None:
        """Pass all queued records to the client; waits where a partition's batch is full."""
        queue = self._queue
        while queue and self._poison is None:
            pending = queue[0]
            if not pending.is_over:
                try:
                    await self._pass_on(client, pending)
                except MessageSizeTooLargeError as error:
                    pending.settle(Rejected(f"a record for {pending.topic} is above the size limit: {error}"))
                except KafkaTimeoutError:
                    # The partition's batch is still full: no failure, the client has not taken the record.
                    continue
                except KafkaError as error:
                    pending.failures += 1
                    self._poison = error
                    return
            queue.popleft()

    async def _pass_on(self, client: Client, pending: PendingRecord) -> None:
        stamp = round(self._clock.now().timestamp() * 1000)
        future = await client.send(
            pending.topic, pending.value, pending.key, timestamp_ms=stamp, headers=pending.headers
        )
        self._unacked[pending] = None
        future.add_done_callback(partial(self._settled, pending, self._generation))

    def _settled(self, pending: PendingRecord, generation: int, future: asyncio.Future[Any]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is None and not future.cancelled():
            self._unacked.pop(pending, None)
            pending.settle()
        elif generation == self._generation:
            # A failure of a client that is already replaced needs no second replacement.
            pending.failures += 1
            if self._poison is None:
                self._poison = error if isinstance(error, Exception) else KafkaError("the client gave up a record")
            self._wake.set()

    async def _replace(self, poisoned: Client) -> Client:
        """Replace a failed client; unacknowledged records return to the front of the queue, in order."""
        self._log.warning("the Kafka producer failed and is replaced", error=repr(self._poison))
        self._connected.clear()
        self._generation += 1
        await self._clients.abandon(poisoned)
        again = [pending for pending in (*self._unacked, *self._queue) if not self._give_up(pending)]
        self._unacked.clear()
        self._queue = deque(again)
        client = await self._connect()
        self._poison = None
        self._wake.set()
        return client

    def _give_up(self, pending: PendingRecord) -> bool:
        """Whether a record is not sent again.

        Trace and alert records always are: no task would notice their loss.
        """
        if pending.is_over:
            return True
        if pending.done is None or pending.failures < _MAX_FAILURES:
            return False
        pending.settle(TargetDown(f"Kafka failed a record {pending.failures} times: {self._poison!r}"))
        return True

    async def _connect(self) -> Client:
        attempt = 0
        while True:
            try:
                client = await self._clients.connect()
            except KafkaError as error:
                self._log.warning("no connection to Kafka yet", error=repr(error))
                await asyncio.sleep(_RECONNECT_SECONDS[min(attempt, len(_RECONNECT_SECONDS) - 1)])
                attempt += 1
            else:
                self._client = client
                self._connected.set()
                return client


def _error_of(task: asyncio.Task[None]) -> BaseException | None:
    return None if task.cancelled() else task.exception()


@asynccontextmanager
async def open_producer(settings: Settings, clock: Clock) -> AsyncIterator[Producer]:
    """A producer for this service's lifetime.

    It opens while Kafka is away, too: sends then raise TargetDown.
    """
    clients = Clients(partial(connect_producer, settings), abandon_producer, stop_producer)
    producer = Producer(clients, settings.topic_prefix, clock)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.close()
