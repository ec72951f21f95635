"""The broker's properties, and the check that a broker is ready.

The values were measured; see the comments.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from shared.errors import Misconfigured
from shared.messaging.topics import MAX_MESSAGE_BYTES

# Any 16 bytes in URL-safe base64; a constant suffices, since local clusters never meet.
CLUSTER_ID = "VGlsbGJyaWRnZUxvY2FsMQ"
_MIB = 1024 * 1024
_PROBE_TOPIC = "tillbridge-ready"

# One node is broker and controller; nothing is replicated.
ONE_NODE = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "2",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "2",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "auto.create.topics.enable": "false",
    "delete.topic.enable": "true",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "controlled.shutdown.enable": "false",
    # After a kill -9 the controller rejects the same node id until its old session expires: 12 s by default.
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "250",
    # A webhook of 8 MiB with its envelope is one record; a request is slightly larger than its record.
    "message.max.bytes": str(MAX_MESSAGE_BYTES),
    "socket.request.max.bytes": str(16 * _MIB),
    "replica.fetch.max.bytes": str(16 * _MIB),
    "log.segment.bytes": str(16 * _MIB),
    "log.segment.delete.delay.ms": "500",
    "log.retention.hours": "24",
}
_SMALL = {
    "num.network.threads": "2",
    "num.io.threads": "2",
    "num.replica.fetchers": "1",
    "background.threads": "2",
    "num.recovery.threads.per.data.dir": "1",
    "log.cleaner.threads": "1",
    "log.cleaner.dedupe.buffer.size": str(4 * _MIB),
    "log.cleaner.backoff.ms": "500",
}


def properties(data: str, port: int, controller_port: int, advertised_port: int) -> dict[str, str]:
    return {
        **ONE_NODE,
        **_SMALL,
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{advertised_port}",
        "log.dirs": data,
    }


def as_file(values: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())


async def wait_until_ready(bootstrap_servers: str, timeout_seconds: float) -> None:
    """Waits until a topic can be created, a record is acknowledged and a group can commit.

    Raises Misconfigured.
    """
    until = time.monotonic() + timeout_seconds
    reason: Exception | None = None
    while time.monotonic() < until:
        try:
            await _connected(bootstrap_servers)
            with _quiet():
                return await asyncio.wait_for(_probe(bootstrap_servers), until - time.monotonic())
        except (KafkaError, OSError, TimeoutError) as error:
            reason = error
            await asyncio.sleep(0.1)
    raise Misconfigured(f"the broker at {bootstrap_servers} was not ready within {timeout_seconds:.0f} s ({reason!r})")


async def reachable(bootstrap_servers: str, timeout_seconds: float) -> bool:
    """Whether a broker answers at this address; read-only."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    with _quiet():
        try:
            await asyncio.wait_for(admin.start(), timeout_seconds)
        except (KafkaError, OSError, ValueError, TimeoutError):
            return False
        finally:
            await admin.close()
    return True


async def _connected(bootstrap_servers: str) -> None:
    """Opens a plain TCP connection, which is cheaper than a client and logs nothing."""
    host, port = bootstrap_servers.split(",", maxsplit=1)[0].rsplit(":", 1)
    _, writer = await asyncio.open_connection(host, int(port))
    writer.close()
    await writer.wait_closed()


async def _probe(bootstrap_servers: str) -> None:
    await _create_topic(bootstrap_servers)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all")
    try:
        await producer.start()
        await producer.send_and_wait(_PROBE_TOPIC, b"ready", partition=0)
    finally:
        await producer.stop()
    await _commit(bootstrap_servers)


async def _create_topic(bootstrap_servers: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        await admin.start()
        if _PROBE_TOPIC not in await admin.list_topics():
            topic = NewTopic(_PROBE_TOPIC, 1, 1, topic_configs={"retention.ms": "60000"})
            await admin.create_topics([topic])
    finally:
        await admin.close()


async def _commit(bootstrap_servers: str) -> None:
    """Commits an offset, which creates the offsets topic: without it there is no group coordinator."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, group_id=_PROBE_TOPIC, enable_auto_commit=False)
    partition = TopicPartition(_PROBE_TOPIC, 0)
    try:
        await consumer.start()
        consumer.assign([partition])
        await consumer.commit({partition: 1})
    finally:
        await consumer.stop()


class _Silence(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return False


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppresses the errors that a client logs while the broker is still starting."""
    silence = _Silence()
    names = [name for name in logging.Logger.manager.loggerDict if name.startswith("aiokafka")]
    for name in names:
        logging.getLogger(name).addFilter(silence)
    try:
        yield
    finally:
        for name in names:
            logging.getLogger(name).removeFilter(silence)
