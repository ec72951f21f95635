"""The order of things: insert, dead letters, commit; and what happens when one of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError

from services.journal.keeper import Batch, Keeper
from services.journal.reading import hop_of_raw
from shared.canonical.alert import Alert
from shared.canonical.hop import Hop
from shared.entities.order.spec import ORDER
from shared.errors import Misconfigured, TargetDown
from shared.messaging.dead_letters.writer import DeadLetters
from shared.messaging.notice import RepairCause, asked_for
from shared.messaging.topics import ALERT, TRACE
from shared.runtime.service import Shell
from shared.state.webhook_counts import Seen
from tests.support.journal import ALARM, HOP
from tests.support.messaging import NOON, SentRecords, an_envelope
from tests.support.shell import a_shell

PLACE = TopicPartition("trace", 0)


def record(offset: int, value: bytes | None = None) -> Any:
    body = HOP.model_dump_json().encode() if value is None else value
    return SimpleNamespace(
        topic="trace", partition=0, offset=offset, timestamp=1_000, key=b"k", headers=(("h", b"v"),), value=body
    )


@dataclass
class Kafka:
    """Gives out the batches, then stops the service."""

    batches: list[list[Any]]
    shell: Shell
    log: list[str]
    commit_error: Exception | None = None
    by_place: list[dict[TopicPartition, Sequence[Any]]] = field(default_factory=list)
    committed: list[dict[TopicPartition, int]] = field(default_factory=list)

    async def getmany(self, **_: object) -> dict[TopicPartition, Sequence[Any]]:
        if self.by_place:
            return self.by_place.pop(0)
        if not self.batches:
            self.shell.stop.set()
            return {}
        return {PLACE: self.batches.pop(0)}

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self.commit_error:
            raise self.commit_error
        self.log.append("commit")
        self.committed.append(offsets)

    def highwater(self, _: TopicPartition) -> int:
        return 10


@dataclass
class Table:
    """Stands in for the journal's table; `down` times it is away."""

    log: list[str]
    down: int = 0
    hops: list[Hop] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    refused: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, alerts: Sequence[Alert]) -> None:
        self._reach()
        if alerts:
            self.log.append("alerts")
            self.alerts += alerts

    async def add(self, hops: Sequence[Hop]) -> None:
        self._reach()
        self.log.append("insert")
        self.hops += hops

    def _reach(self) -> None:
        if self.down:
            self.down -= 1
            self.refused.set()
            raise TargetDown("no database")


@dataclass
class Desk:
    keeper: Keeper
    kafka: Kafka
    table: Table
    letters: SentRecords
    log: list[str]
    shell: Shell


@pytest.fixture
async def shell() -> AsyncIterator[Shell]:
    async with a_shell(name="journal") as shell:
        yield shell


def a_desk(shell: Shell, *batches: list[Any], limit: int = 1_000) -> Desk:
    log: list[str] = []
    kafka, table, letters = Kafka(list(batches), shell, log), Table(log), Letters(log)
    keeper = Keeper(
        shell,
        kafka,
        {"trace": TRACE, "alert": ALERT},
        {},
        table,  # type: ignore[arg-type]
        table,  # type: ignore[arg-type]
        table,  # type: ignore[arg-type]
        DeadLetters(letters, "dlq", service="journal", version="1", limit=limit),  # type: ignore[arg-type]
        batch_records=1_000,
        collect_seconds=0.0,
        random=lambda: 0.0,
    )
    return Desk(keeper, kafka, table, letters, log, shell)


class Letters(SentRecords):
    def __init__(self, log: list[str]) -> None:
        super().__init__()
        self.log = log

    async def send_raw(self, *given: Any, **named: Any) -> None:
        await super().send_raw(*given, **named)
        self.log.append("letter")


async def test_a_batch_is_one_insert_and_then_one_commit(shell: Shell) -> None:
    desk = a_desk(shell, [record(3), record(4)])
    await desk.keeper.run()

    assert desk.log == ["insert", "commit"]
    assert len(desk.table.hops) == 2
    assert desk.kafka.committed == [{PLACE: 5}]


async def test_alerts_are_kept_before_the_offset_moves(shell: Shell) -> None:
    raised = record(7, ALARM.model_dump_json().encode())
    raised.topic = "alert"
    desk = a_desk(shell)
    desk.kafka.by_place = [{TopicPartition("alert", 0): [raised]}]
    await desk.keeper.run()

    assert desk.log == ["alerts", "commit"]
    assert desk.table.alerts == [ALARM]


async def test_an_alert_that_cannot_be_read_is_a_dead_letter(shell: Shell) -> None:
    broken = record(7, b"{}")
    broken.topic = "alert"
    desk = a_desk(shell)
    desk.kafka.by_place = [{TopicPartition("alert", 0): [broken]}]
    await desk.keeper.run()

    [(_, _, value, headers)] = desk.letters.sent
    assert value == b"{}"
    assert dict(headers)["x-dlq-reason"].startswith(b"not an alert")


async def test_what_cannot_be_read_is_a_dead_letter_and_holds_up_nothing(shell: Shell) -> None:
    desk = a_desk(shell, [record(0), record(1, b"\xffnonsense"), record(2)])
    await desk.keeper.run()

    assert desk.log == ["insert", "letter", "commit"]
    [(_, key, value, headers)] = desk.letters.sent
    assert (key, value) == (b"k", b"\xffnonsense")
    assert dict(headers)["x-dlq-reason"].startswith(b"not a hop")
    assert dict(headers)["h"] == b"v"


async def test_without_a_database_nothing_is_committed_until_it_is_back(shell: Shell) -> None:
    desk = a_desk(shell, [record(0)])
    desk.table.down = 3
    await desk.keeper.run()

    assert desk.log == ["insert", "commit"]


async def test_a_stop_while_the_database_is_away_commits_nothing(shell: Shell) -> None:
    desk = a_desk(shell, [record(0)])
    desk.table.down = 10**9
    task = asyncio.create_task(desk.keeper.run())
    await desk.table.refused.wait()
    shell.stop.set()
    await asyncio.wait_for(task, 5)

    assert desk.log == []


async def test_a_commit_after_a_rebalance_is_left_to_the_new_owner(shell: Shell) -> None:
    desk = a_desk(shell, [record(0)], [record(1)])
    desk.kafka.commit_error = CommitFailedError()
    await desk.keeper.run()

    assert len(desk.table.hops) == 2


async def test_nothing_but_dead_letters_is_our_own_fault(shell: Shell) -> None:
    desk = a_desk(shell, [record(n, b"x") for n in range(3)], limit=3)

    with pytest.raises(Misconfigured):
        await desk.keeper.run()
    assert desk.kafka.committed == []


async def test_how_far_it_is_behind_is_told(shell: Shell) -> None:
    desk = a_desk(shell, [record(3)])
    lags: list[float] = []
    gauge = shell.metrics.lag_messages.labels("trace")
    gauge.set = lags.append  # type: ignore[method-assign]
    await desk.keeper.run()

    assert lags == [6, 0]


def notice(minute: int, cause: RepairCause | None = None, connection: str = "main") -> Any:
    envelope = replace(an_envelope(connection=connection), extra=asked_for(cause) if cause else {})
    stamp = round((NOON + timedelta(minutes=minute)).timestamp() * 1000)
    return SimpleNamespace(timestamp=stamp, headers=tuple(envelope.headers()))


def test_webhooks_are_counted_by_connection_and_hour_and_other_notices_are_not() -> None:
    batch = Batch()
    for record in (
        notice(1),
        notice(59),
        notice(60),
        *(notice(2, cause) for cause in get_args(RepairCause)),
        notice(3, connection="two"),
    ):
        batch.count(hop_of_raw(ORDER, ORDER.sources[0], record.headers, record.timestamp))

    assert batch.webhooks == {
        ("main", NOON): Seen(2, NOON + timedelta(minutes=59)),
        ("main", NOON + timedelta(hours=1)): Seen(1, NOON + timedelta(hours=1)),
        ("two", NOON): Seen(1, NOON + timedelta(minutes=3)),
    }
