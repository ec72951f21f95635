from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
from aiokafka.errors import MessageSizeTooLargeError, OutOfOrderSequenceNumber

from shared.canonical.alert import Alert
from shared.entities.order.spec import CANONICAL_ORDER
from shared.errors import Rejected, TargetDown
from shared.messaging.kafka.producer import Clients, Producer
from shared.messaging.topics import MAX_MESSAGE_BYTES
from shared.messaging.trace import Hop
from tests.support.clock import FakeClock
from tests.support.journal import ALARM
from tests.support.messaging import NOON, FakeBroker, FakeClient, an_envelope, until

POISON = OutOfOrderSequenceNumber()


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
async def producer(broker: FakeBroker) -> AsyncIterator[Producer]:
    made = Producer(Clients(broker.connect, broker.end, broker.end), "p.", FakeClock(NOON))
    await made.start()
    await until(lambda: made.is_connected)
    yield made
    await made.close()


def send(producer: Producer, value: bytes, seconds: float = 10.0) -> asyncio.Task[None]:
    return asyncio.ensure_future(producer.send_raw("p.t", b"k", value, [], seconds))


async def holding(client: FakeClient, count: int) -> None:
    await until(lambda: len(client.held) == count)


def a_hop(event_id: str = "e1") -> Hop:
    return Hop(
        event_id=event_id, trace_id="a" * 32, connection="main", entity="order", key="1001", service="writer",
        outcome="applied", started_at=NOON, finished_at=NOON,
    )  # fmt: skip


async def test_send_returns_once_the_broker_has_it(producer: Producer, broker: FakeBroker) -> None:
    sending = asyncio.ensure_future(producer.send(CANONICAL_ORDER, an_envelope(body=b"1")))
    await holding(broker.clients[0], 1)
    assert not sending.done()

    broker.clients[0].acknowledge()
    await sending
    assert broker.log == [b"1"]


async def test_without_an_acknowledgement_in_time_the_target_is_down(producer: Producer) -> None:
    with pytest.raises(TargetDown, match=r"within 0\.01 s"):
        await send(producer, b"1", seconds=0.01)


async def test_a_poisoned_client_is_replaced_and_the_unacknowledged_are_sent_again_in_order(
    producer: Producer, broker: FakeBroker
) -> None:
    sends = [send(producer, bytes([number])) for number in b"12345"]
    first = broker.clients[0]
    await holding(first, 5)
    first.acknowledge(2)
    first.fail(POISON, 1)
    await until(lambda: len(broker.clients) == 2)
    later = send(producer, b"6")
    second = broker.clients[1]
    await holding(second, 4)

    second.acknowledge()
    await asyncio.gather(*sends, later)
    assert b"".join(broker.log) == b"123456"
    assert first.ended


async def test_many_failures_of_one_client_replace_it_once(producer: Producer, broker: FakeBroker) -> None:
    sends = [send(producer, bytes([number])) for number in b"1234"]
    await holding(broker.clients[0], 4)
    broker.clients[0].fail(POISON)
    await until(lambda: len(broker.clients) == 2)
    await holding(broker.clients[1], 4)
    broker.clients[1].acknowledge()

    await asyncio.gather(*sends)
    assert len(broker.clients) == 2
    assert b"".join(broker.log) == b"1234"


async def test_a_record_whose_sender_gave_up_is_not_sent_again(producer: Producer, broker: FakeBroker) -> None:
    lost = send(producer, b"1", seconds=0.05)
    await holding(broker.clients[0], 1)
    with pytest.raises(TargetDown):
        await lost
    kept = send(producer, b"2")
    await holding(broker.clients[0], 2)
    broker.clients[0].fail(POISON)
    await until(lambda: len(broker.clients) == 2)
    await holding(broker.clients[1], 1)
    broker.clients[1].acknowledge()

    await kept
    assert broker.log == [b"2"]


async def test_a_record_that_poisons_every_client_is_given_back(producer: Producer, broker: FakeBroker) -> None:
    sending = send(producer, b"1")
    for number in range(3):
        await until(lambda number=number: len(broker.clients) > number)
        await holding(broker.clients[number], 1)
        broker.clients[number].fail(POISON)

    with pytest.raises(TargetDown, match="3 times"):
        await sending


async def test_a_client_that_refuses_is_replaced(producer: Producer, broker: FakeBroker) -> None:
    broker.clients[0].refusal = POISON
    sending = send(producer, b"1")
    await until(lambda: len(broker.clients) == 2)
    await holding(broker.clients[1], 1)
    broker.clients[1].acknowledge()

    await sending
    assert broker.log == [b"1"]


async def test_while_the_broker_is_away_records_wait_for_it(producer: Producer, broker: FakeBroker) -> None:
    sends = [send(producer, b"1"), send(producer, b"2")]
    await holding(broker.clients[0], 2)
    broker.up = False
    broker.clients[0].fail(POISON, 1)
    await until(lambda: not producer.is_connected)
    broker.up = True
    await until(lambda: len(broker.clients) == 2)
    await holding(broker.clients[1], 2)
    broker.clients[1].acknowledge()

    await asyncio.gather(*sends)
    assert b"".join(broker.log) == b"12"


async def test_a_record_above_the_limit_is_rejected_and_harms_no_other(producer: Producer, broker: FakeBroker) -> None:
    with pytest.raises(Rejected, match="limit"):
        await send(producer, b"x" * (MAX_MESSAGE_BYTES + 1))
    broker.clients[0].refusal = MessageSizeTooLargeError("headers")
    with pytest.raises(Rejected, match="above the size limit"):
        await send(producer, b"1")

    assert len(broker.clients) == 1
    assert producer.is_connected


async def test_flush_waits_for_the_hops_traced_before_it_and_no_others(producer: Producer, broker: FakeBroker) -> None:
    client = broker.clients[0]
    producer.trace(a_hop("e1"))
    await holding(client, 1)
    flushing = asyncio.ensure_future(producer.flush())
    await asyncio.sleep(0)
    producer.trace(a_hop("e2"))
    await holding(client, 2)
    assert not flushing.done()

    client.acknowledge(1)
    await flushing
    with pytest.raises(TargetDown):
        await producer.flush(0.01)
    client.acknowledge()
    await producer.flush()


async def test_flush_waits_for_a_hop_although_all_before_it_were_acknowledged_meanwhile(
    producer: Producer, broker: FakeBroker
) -> None:
    client = broker.clients[0]
    producer.trace(a_hop("e1"))
    await holding(client, 1)
    client.acknowledge()
    await until(lambda: not producer._unacked)
    producer.trace(a_hop("e2"))
    await holding(client, 1)

    with pytest.raises(TargetDown):
        await producer.flush(0.01)
    client.acknowledge()
    await producer.flush()


async def test_alerts_are_flushed_like_hops_on_a_topic_of_their_own(producer: Producer, broker: FakeBroker) -> None:
    producer.alert(ALARM)
    producer.trace(a_hop())
    await holding(broker.clients[0], 2)
    flushing = asyncio.ensure_future(producer.flush())
    await asyncio.sleep(0)
    assert not flushing.done()

    broker.clients[0].acknowledge()
    broker.clients[0].acknowledge()
    await flushing
    assert ALARM in [Alert.model_validate_json(body) for body in broker.log if b"breaker_open" in body]


async def test_hops_outlive_every_poisoned_client(producer: Producer, broker: FakeBroker) -> None:
    producer.trace(a_hop())
    for number in range(5):
        await until(lambda number=number: len(broker.clients) > number)
        await holding(broker.clients[number], 1)
        broker.clients[number].fail(POISON)
    await until(lambda: len(broker.clients) == 6)
    await holding(broker.clients[5], 1)
    broker.clients[5].acknowledge()

    await producer.flush()
    assert [Hop.model_validate(hop) for hop in orjson.loads(broker.log[0])] == [a_hop()]


async def test_many_hops_share_a_record_and_none_is_left_behind_by_a_flush(
    producer: Producer, broker: FakeBroker
) -> None:
    for number in range(450):
        producer.trace(a_hop().model_copy(update={"event_id": str(number)}))
    flushing = asyncio.create_task(producer.flush())
    await holding(broker.clients[0], 3)
    broker.clients[0].acknowledge()
    await flushing

    bodies = [orjson.loads(body) for body in broker.log]
    assert [len(body) for body in bodies] == [200, 200, 50]
    assert [hop["event_id"] for body in bodies for hop in body] == [str(number) for number in range(450)]


async def test_a_hop_does_not_wait_for_others_for_ever(producer: Producer, broker: FakeBroker) -> None:
    producer.trace(a_hop())

    await holding(broker.clients[0], 1)
    # Otherwise closing the producer waits for it.
    broker.clients[0].acknowledge()


async def test_what_is_unsent_at_the_end_is_reported(broker: FakeBroker) -> None:
    producer = Producer(Clients(broker.connect, broker.end, broker.end), "", FakeClock(NOON))
    await producer.start()
    await until(lambda: producer.is_connected)
    sending = send(producer, b"1")
    await holding(broker.clients[0], 1)

    await producer.close()
    with pytest.raises(TargetDown, match="closed"):
        await sending
    with pytest.raises(RuntimeError, match="closed"):
        producer.trace(a_hop())
