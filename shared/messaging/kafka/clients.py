"""Creates Kafka clients, with settings that were measured or that prevent loss.

The only place that does.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError, UnknownMemberIdError
from aiokafka.partitioner import murmur2
from structlog.typing import FilteringBoundLogger

from shared.errors import Misconfigured
from shared.messaging.record import ConsumerOptions
from shared.messaging.topics import MAX_RECORD_BYTES
from shared.runtime.settings import Settings

# Many concurrent senders fill the default batch of 16 KiB at once and wake each other needlessly: 7 times slower.
_BATCH_BYTES = 256 * 1024
# No linger: records that arrive while a request is in flight are batched anyway.
_LINGER_MS = 0
# How many keys' hashes are cached: the client computes murmur2 in Python, byte by byte.
_REMEMBERED_KEYS = 65_536
# Also how long a batch waits for a partition without a leader before it fails for good.
_REQUEST_TIMEOUT_MS = 15_000
# Room for what a fetch response holds besides records.
_FETCH_BYTES = MAX_RECORD_BYTES + 64 * 1024
_STOP_SECONDS = 5.0


@lru_cache(_REMEMBERED_KEYS)
def _hash_of(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF


def partition_of(key: bytes | None, partitions: Sequence[int], available: Sequence[int]) -> int:
    """The partition of a key, as every Kafka client computes it.

    Any that is available for a record without a key.
    """
    if key is None:
        return random.choice(available or partitions)  # noqa: S311 - not a secret
    return partitions[_hash_of(key) % len(partitions)]


async def connect_producer(settings: Settings) -> AIOKafkaProducer:
    """A started idempotent producer. Raises KafkaError if no broker answers."""
    client = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        # The client packs lz4 at a high level: 114 us for an order's 7 KB; snappy takes 24 and saves nearly as much.
        compression_type="snappy",
        max_batch_size=_BATCH_BYTES,
        linger_ms=_LINGER_MS,
        partitioner=partition_of,
        max_request_size=MAX_RECORD_BYTES,
        request_timeout_ms=_REQUEST_TIMEOUT_MS,
    )
    try:
        await _start(client)
    except BaseException:
        await client.stop()
        raise
    return client


async def _start(client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    """Start a client.

    When cancelled, it still finishes the start: otherwise the library leaves a connection open.
    """
    starting = asyncio.ensure_future(client.start())
    try:
        await asyncio.shield(starting)
    except BaseException:
        await asyncio.wait({starting}, timeout=_STOP_SECONDS)
        starting.cancel()
        await asyncio.wait({starting})
        raise


async def abandon_producer(client: AIOKafkaProducer, seconds: float = 3.0) -> None:
    """Close a failed producer without sending what it still holds.

    `stop` would first flush, which a poisoned producer can never finish. Requests already out get `seconds` to be
    answered, so that what the broker took is not sent again.
    """
    task = client._sender.sender_task
    if task is not None and not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=seconds)
    client._closed = True
    await client.client.close()


async def stop_producer(client: AIOKafkaProducer) -> None:
    """Flush and close; what cannot be flushed in time is abandoned."""
    flushed = asyncio.ensure_future(client.flush())
    await asyncio.wait({flushed}, timeout=_STOP_SECONDS)
    flushed.cancel()
    with suppress(asyncio.CancelledError, KafkaError):
        await flushed
    await abandon_producer(client)


async def connect_consumer(
    settings: Settings, group: str, options: ConsumerOptions, topics: Iterable[str], log: FilteringBoundLogger
) -> AIOKafkaConsumer:
    """A started consumer without automatic commits; waits until a broker answers.

    Raises Misconfigured if one of the topics does not exist.
    """
    attempt = 0
    while True:
        consumer = new_consumer(settings, group, options)
        try:
            await _start(consumer)
            _commit_as_member(consumer)
            await _check_topics(consumer, topics)
        except KafkaError as error:
            await stop_consumer(consumer)
            attempt += 1
            log.warning("no connection to Kafka yet", error=repr(error))
            await asyncio.sleep(min(0.2 * attempt, 5.0))
        except BaseException:
            await stop_consumer(consumer)
            raise
        else:
            return consumer


async def connect_unless_stopped(
    stop: asyncio.Event,
    settings: Settings,
    group: str,
    options: ConsumerOptions,
    topics: Iterable[str],
    log: FilteringBoundLogger,
) -> AIOKafkaConsumer | None:
    """As `connect_consumer`; None if `stop` is set before a broker answers."""
    connecting = asyncio.ensure_future(connect_consumer(settings, group, options, topics, log))
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({connecting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return connecting.result() if connecting.done() else None
    finally:
        for task in (connecting, stopped):
            task.cancel()
        await asyncio.wait({connecting, stopped})


def _commit_as_member(consumer: AIOKafkaConsumer) -> None:
    """Commit as a group member only.

    Outside its group the library commits anonymously, which an empty group accepts.

    A process that was replaced while it was frozen would otherwise set the group back once the other members stop.
    """
    coordinator = consumer._coordinator
    send = coordinator._do_commit_offsets

    async def as_member(assignment: object, offsets: object) -> None:
        if coordinator.generation < 0:
            raise UnknownMemberIdError
        await send(assignment, offsets)

    coordinator._do_commit_offsets = as_member


async def _check_topics(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> None:
    missing = set(topics) - await consumer.topics()
    if missing:
        raise Misconfigured(f"Kafka has no topic {', '.join(sorted(missing))}: create the topics first")


def new_consumer(settings: Settings, group: str, options: ConsumerOptions) -> AIOKafkaConsumer:
    """A consumer without automatic commits, not started."""
    return AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        group_id=settings.topic_prefix + group,
        group_instance_id=settings.instance or None,
        enable_auto_commit=False,
        # The library's default skips everything older than the first start.
        auto_offset_reset="earliest",
        fetch_max_bytes=_FETCH_BYTES,
        max_partition_fetch_bytes=_FETCH_BYTES,
        session_timeout_ms=_ms(options.session_timeout_seconds),
        # By default as short as the session: too short to drain what is in flight.
        rebalance_timeout_ms=_ms(options.rebalance_timeout_seconds),
        heartbeat_interval_ms=_ms(options.heartbeat_seconds),
        request_timeout_ms=max(_REQUEST_TIMEOUT_MS, _ms(options.rebalance_timeout_seconds) + 5_000),
    )


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Leave the group and close; with the broker down, leaving is abandoned after a while."""
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await consumer.stop()
    except (TimeoutError, KafkaError):
        await consumer._client.close()


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
