"""The consumer on a real broker and a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from statistics import median

import pytest

from deploy.local.engine import Engine
from shared.canonical.alert import Alert
from shared.errors import Misconfigured, NeedsReview, Rejected, RetryLater, TargetDown, Waiting
from shared.messaging.kafka.log_truncation import LogTruncated
from shared.messaging.record import Record
from shared.messaging.topics import ALERT, Topic, topic_name
from shared.state.reviews import Reviews
from tests.integration.messaging.harness import DEAD, QUICK, Handled, Harness, a_harness, consuming
from tests.support.messaging import MemoryParked, until


@pytest.fixture
async def harness(engine: Engine, topic_prefix: str, database_url: str) -> AsyncIterator[Harness]:
    async with a_harness(engine, topic_prefix, database_url) as made:
        yield made


class Failing:
    """Raises for the events it is told to, until told to stop."""

    def __init__(self, **errors: Exception) -> None:
        self.errors = errors

    async def __call__(self, records: Sequence[Record]) -> None:
        error = self.errors.get(records[-1].envelope.subject)
        if error is not None:
            raise error


async def test_every_record_is_handled_once_and_in_order_of_its_key(harness: Harness) -> None:
    handled = Handled()
    async with consuming(harness, handled) as running:
        for number in range(20):
            for subject in ("a", "b", "c"):
                await harness.publish(subject, number)
        await until(lambda: len(handled.done) == 60)
        await running.stop()

    for subject in ("a", "b", "c"):
        assert handled.seen(subject) == [f"{subject}.{number}" for number in range(20)]
    assert not handled.overlapped
    assert await harness.committed() == 60


@pytest.mark.capability("S49")
async def test_a_slow_key_holds_up_no_other(harness: Harness) -> None:
    released = asyncio.Event()

    async def behaviour(records: Sequence[Record]) -> None:
        if records[0].envelope.subject == "slow":
            await released.wait()

    handled = Handled(behaviour)
    async with consuming(harness, handled):
        await harness.publish("slow", 0)
        for number in range(30):
            await harness.publish(f"key-{number}", 0)
        await until(lambda: len(handled.done) == 30)
        released.set()
        await until(lambda: len(handled.done) == 31)


@pytest.mark.capability("S50")
async def test_notices_of_one_key_collapse_while_it_is_busy(harness: Harness) -> None:
    released = asyncio.Event()

    async def behaviour(records: Sequence[Record]) -> None:
        await released.wait()

    handled = Handled(behaviour)
    async with consuming(harness, handled, collapse=True) as running:
        await harness.publish("a", 0)
        await until(lambda: handled.calls)
        for number in range(1, 6):
            await harness.publish("a", number)
        await until(lambda: running.shell.metrics.registry.get_sample_value(
            "tillbridge_events_in_total", {"entity": "order"}) == 6)  # fmt: skip
        released.set()
        await until(lambda: len(handled.done) == 6)
        await running.stop()

    assert [len(call) for call in handled.calls] == [1, 5]


async def test_every_record_ends_with_one_hop(harness: Harness) -> None:
    handled = Handled(Failing(bad=Rejected("never")))
    async with consuming(harness, handled) as running:
        await harness.publish("a", 0)
        await harness.publish("bad", 0)
        await until(lambda: len(handled.calls) == 2)
        await running.stop()

    hops = await harness.hops(2)
    assert sorted((hop.event_id, hop.outcome, hop.service) for hop in hops) == [
        ("a.0", "applied", "writer"),
        ("bad.0", "dead_letter", "writer"),
    ]


async def test_an_unreadable_record_goes_to_the_dead_letters_unchanged(harness: Harness) -> None:
    name = topic_name(harness.settings.topic_prefix, harness.topic)
    await harness.producer.send_raw(name, b"key", b"\xff\x00{", [("ce_id", b"e1"), ("odd", b"\xff"), ("empty", None)])  # type: ignore[list-item]
    handled = Handled()
    async with consuming(harness, handled) as running:
        [(key, headers, value)] = await harness.read(DEAD, 1)
        await running.stop()

    assert (key, value, headers["odd"], headers["ce_id"]) == (b"key", b"\xff\x00{", b"\xff", b"e1")
    assert headers["empty"] is None
    assert headers["x-dlq-orig-topic"] == name.encode()
    assert handled.calls == []
    assert await harness.committed() == 1


async def test_without_its_dead_letter_topic_the_offset_stays(harness: Harness) -> None:
    handled = Handled(Failing(bad=Rejected("never")))
    missing = Topic("dlq.missing")
    async with consuming(harness, handled, dead_letters=missing) as running:
        await harness.publish("bad", 0)
        await until(lambda: handled.calls)
        await running.kill()

    assert await harness.committed() == 0


@pytest.mark.capability("S51", "S53")
async def test_a_key_in_trouble_is_parked_and_comes_back_in_order(harness: Harness) -> None:
    failing = Failing(a=RetryLater("locked"))
    handled = Handled(failing)
    options = replace(QUICK, park_schedule=(0.2,) * 100)
    async with consuming(harness, handled, options=options) as running:
        for number in range(3):
            await harness.publish("a", number)
        await harness.publish("b", 0)
        await until(lambda: handled.done == ["b.0"])
        await until(partial(harness.has_committed, 4))
        assert await harness.parked.count() == {"order": 1}
        failing.errors.clear()
        await until(lambda: len(handled.done) == 4)
        await harness.publish("a", 3)
        await until(lambda: len(handled.done) == 5)
        await running.stop()

    assert handled.seen("a") == ["a.0", "a.1", "a.2", "a.3"]
    assert await harness.parked.count() == {}


async def test_what_is_awaited_wakes_its_keys_when_it_appears(harness: Harness) -> None:
    there: set[str] = set()
    asked: list[set[str]] = []

    async def awaited(names: set[str]) -> set[str]:
        asked.append(names)
        return names & there

    failing = Failing(a=Waiting("no item TEE", waits_for="item:TEE"))
    handled = Handled(failing)
    options = replace(QUICK, awaited=awaited, park_schedule=(3600.0,))
    async with consuming(harness, handled, options=options) as running:
        await harness.publish("a", 0)
        await until(lambda: len(asked) >= 2)
        assert asked[-1] == {"main|item:TEE"}
        failing.errors.clear()
        there.add("main|item:TEE")
        await until(lambda: handled.done == ["a.0"])
        await running.stop()


async def test_a_halted_key_is_known_before_its_records_after_a_restart(harness: Harness) -> None:
    failing = Failing(a=RetryLater("locked"))
    async with consuming(harness, Handled(failing)) as running:
        await harness.publish("a", 0)
        await harness.read(DEAD, 1)
        await until(lambda: Reviews(harness.database).list())
        await running.stop()
    handled = Handled()
    await harness.publish("a", 1)
    await harness.publish("b", 0)
    async with consuming(harness, handled) as running:
        await until(lambda: handled.done == ["b.0"])
        await until(partial(harness.has_committed, 3))
        await running.stop()

    assert handled.seen("a") == []
    records = await harness.parked.records(topic_name(harness.settings.topic_prefix, harness.topic), "main|a")
    assert [dict(record.headers)["ce_id"] for record in records] == [b"a.0", b"a.1"]
    assert [review.kind for review in await Reviews(harness.database).list()] == ["halted"]


async def test_an_outage_holds_its_key_and_nothing_is_counted(harness: Harness) -> None:
    failing = Failing(a=TargetDown("away"))
    handled = Handled(failing)
    async with consuming(harness, handled) as running:
        await harness.publish("a", 0)
        await harness.publish("b", 0)
        await until(lambda: len(handled.calls) >= 8)
        assert handled.done == ["b.0"]
        failing.errors.clear()
        await until(lambda: len(handled.done) == 2)
        await running.stop()

    assert await harness.parked.count() == {}
    assert handled.calls[-1][0].attempts == 1
    assert await harness.committed() == 2


async def test_what_a_person_must_decide_is_done_here(harness: Harness) -> None:
    error = NeedsReview("off by 1.00", kind="order_unbalanced", advice="Look.", details={"difference": "1.00"})
    handled = Handled(Failing(a=error))
    async with consuming(harness, handled) as running:
        await harness.publish("a", 0)
        await harness.publish("a", 1)
        await until(lambda: len(handled.calls) == 2)
        await running.stop()

    [review] = await Reviews(harness.database).list()
    assert (review.kind, review.key, review.details) == ("order_unbalanced", "a", {"difference": "1.00"})
    assert await harness.committed() == 2


async def test_a_bug_stops_the_service_and_its_record_is_read_again(harness: Harness) -> None:
    async with consuming(harness, Handled(Failing(a=ZeroDivisionError("a bug")))) as running:
        await harness.publish("a", 0)
        with pytest.raises(ZeroDivisionError):
            await running.task
    assert await harness.committed() == 0

    handled = Handled()
    async with consuming(harness, handled):
        await until(lambda: handled.done == ["a.0"])


async def test_nothing_starts_until_the_parked_keys_are_known(harness: Harness) -> None:
    parked = MemoryParked()
    parked.down = True
    handled = Handled()
    await harness.publish("a", 0)
    async with consuming(harness, handled, parked=parked):
        await until(lambda: parked.refused >= 3)
        assert handled.calls == []
        parked.down = False
        await until(lambda: handled.done == ["a.0"])


async def test_a_full_partition_pauses_and_goes_on(harness: Harness) -> None:
    held: list[float] = []

    async def behaviour(records: Sequence[Record]) -> None:
        taken = running.shell.metrics.registry.get_sample_value("tillbridge_events_in_total", {"entity": "order"})
        held.append((taken or 0) - len(handled.done))
        await asyncio.sleep(0)

    handled = Handled(behaviour)
    await asyncio.gather(*(harness.publish("a", number) for number in range(1_500)))
    async with consuming(harness, handled, options=replace(QUICK, max_records=20)) as running:
        await until(lambda: len(handled.done) == 1_500, seconds=40)
        await running.stop()

    assert max(held) <= 520  # the bound and one poll

    assert handled.seen("a") == sorted(handled.seen("a"), key=lambda event: int(event.split(".")[1]))
    assert await harness.committed() == 1_500


async def test_a_stop_finishes_what_is_in_hand_and_commits_it(harness: Harness) -> None:
    released = asyncio.Event()

    async def behaviour(records: Sequence[Record]) -> None:
        await released.wait()

    handled = Handled(behaviour)
    async with consuming(harness, handled) as running:
        await harness.publish("a", 0)
        await harness.publish("a", 1)
        await until(lambda: handled.calls)
        running.shell.stop.set()
        released.set()
        await running.task

    assert handled.done[0] == "a.0"
    assert await harness.committed() == len(handled.done) == len(handled.calls)


async def test_a_missing_topic_is_named(harness: Harness) -> None:
    harness.topic = Topic("not.there")

    with pytest.raises(Misconfigured, match=r"not\.there"):
        async with consuming(harness, Handled()):
            pass


async def test_lag_is_told(harness: Harness) -> None:
    released = asyncio.Event()

    async def behaviour(records: Sequence[Record]) -> None:
        await released.wait()

    for number in range(5):
        await harness.publish("a", number)
    async with consuming(harness, Handled(behaviour)) as running:

        def metric(name: str) -> float | None:
            return running.shell.metrics.registry.get_sample_value(f"tillbridge_{name}", {"topic": harness.topic.name})

        await until(lambda: metric("lag_messages") == 5)
        await until(lambda: (metric("lag_seconds") or 0) > 0)
        released.set()
        await until(lambda: metric("lag_messages") == 0)


async def test_a_stop_before_a_broker_answers_is_obeyed(harness: Harness) -> None:
    nowhere = harness.settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"})
    stop = asyncio.Event()

    async def run() -> None:
        async with consuming(harness, Handled(), settings=nowhere, stop=stop):
            pass

    starting = asyncio.create_task(run())
    await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(starting, 20)


async def are_parked(harness: Harness, keys: int) -> bool:
    return await harness.parked.count() == {"order": keys}


async def test_a_poisonous_key_slows_no_other(harness: Harness) -> None:
    """By ratio within one run, rounds with and without poison in turns: the machine may be busy with other things."""
    keys = [f"key-{number}" for number in range(24)]
    loop = asyncio.get_running_loop()
    sent: dict[str, float] = {}
    took: dict[str, float] = {}

    async def behaviour(records: Sequence[Record]) -> None:
        await asyncio.sleep(0.01)
        if records[0].envelope.subject.startswith("poison"):
            raise RetryLater("it never works")
        took[records[0].envelope.id] = loop.time() - sent[records[0].envelope.id]

    async def send(subject: str, number: int) -> None:
        sent[f"{subject}.{number}"] = loop.time()
        await harness.publish(subject, number)

    async def a_round(number: int, poison: int) -> None:
        await asyncio.gather(
            *(harness.publish(f"poison-{number}", count) for count in range(poison)),
            *(send(key, number) for key in keys),
        )
        await until(lambda: all(f"{key}.{number}" in took for key in keys))

    handled = Handled(behaviour)
    rounds = range(2, 22)
    async with consuming(harness, handled, options=replace(QUICK, park_schedule=(0.2,) * 1_000)) as running:
        await a_round(0, 0)
        await a_round(1, 5)
        for number in rounds:
            await a_round(number, 5 * (number % 2))
        await until(partial(are_parked, harness, len(rounds) // 2 + 1))
        await running.stop()

    with_poison, without = (
        median(took[f"{key}.{number}"] for key in keys for number in rounds if number % 2 == odd) for odd in (1, 0)
    )
    assert with_poison <= 1.5 * without


async def test_a_group_whose_log_was_emptied_reads_what_there_is_and_an_operator_hears_of_it(harness: Harness) -> None:
    await a_group_at(harness, 50)
    handled = Handled()
    async with consuming(harness, handled) as running:
        for number in range(3):
            await harness.publish("a", number)
        await until(lambda: len(handled.done) == 3)
        told = await harness.read(ALERT, harness.topic.partitions)
        await until(partial(harness.has_committed, 3))
        await running.stop()

    alerts = [Alert.model_validate_json(value) for _, _, value in told]
    assert {(alert.kind, alert.severity) for alert in alerts} == {("log_lost", "critical")}
    assert all("has read up to 50, the log ends at" in alert.reason for alert in alerts)


async def test_a_reader_that_the_client_sets_back_stops_and_its_next_start_misses_nothing(harness: Harness) -> None:
    handled = Handled()
    async with consuming(harness, handled) as running:
        for number in range(3):
            await harness.publish("a", number)
        await until(partial(harness.has_committed, 3))
        # What the client does when the log has no longer what it asks for.
        await running.consumer._kafka.seek_to_beginning()
        with pytest.raises(LogTruncated, match="continues at offset 0"):
            await asyncio.wait_for(running.task, 30)

    await harness.publish("a", 3)
    async with consuming(harness, handled) as running:
        await until(lambda: handled.seen("a") == [f"a.{number}" for number in range(4)])
        await running.stop()


async def a_group_at(harness: Harness, offset: int) -> None:
    """The group has committed this offset, of each partition."""
    async with harness.reader(harness.topic, harness.settings.topic_prefix + "writer") as group:
        await group.commit(dict.fromkeys(group.assignment(), offset))
