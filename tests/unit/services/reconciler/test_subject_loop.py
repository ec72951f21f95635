"""What a connection's watch does with errors, and when it raises an alert."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from services.reconciler import subject_loop
from services.reconciler.settings import Settings
from services.reconciler.subject_loop import SubjectLoop
from services.reconciler.subject_metrics import SubjectMetrics
from shared.canonical.alert import Alert
from shared.errors import RetryLater
from shared.operations.comparison.passes import Outcome
from shared.operations.comparison.subjects import subject_of
from shared.runtime.logging import get_logger
from shared.runtime.metrics import ServiceMetrics
from tests.support.clock import FakeClock
from tests.support.messaging import NOON
from tests.support.shell import SECRET_KEY

SUBJECT = subject_of("order")

ENVIRON = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "DATABASE_URL": "postgresql://", "SECRET_KEY": SECRET_KEY}


class World:
    """One connection: passes end with the given outcomes, and its state is in memory."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOON)
        self.alerts: list[Alert] = []
        self.kept: dict[str, dict[str, Any]] = {}
        self.outcomes: list[Outcome | Exception] = []
        self.registry = CollectorRegistry()
        self.metrics = SubjectMetrics(ServiceMetrics("reconciler", self.registry), "main", "order")
        self.released = 0

    def watch(self, present: Callable[[], bool] = lambda: True) -> SubjectLoop:
        parts: Any = self
        settings = Settings.from_env(ENVIRON)
        return SubjectLoop(
            "main", SUBJECT, lambda: parts, present=present,
            leases=parts, settings=settings, cursors=parts, ledger=parts,
            clock=self.clock, log=get_logger("reconciler"),
            metrics=self.metrics, alert=self.alerts.append,
        )  # fmt: skip

    # Leases, cursors and the ledger

    async def holds(self, name: str) -> bool:
        return True

    async def release(self, name: str) -> None:
        self.released += 1

    async def get(self, connection: str, feed: str) -> dict[str, Any] | None:
        return self.kept.get(connection)

    async def put(self, connection: str, feed: str, value: dict[str, Any]) -> None:
        self.kept[connection] = value

    async def open_keys(self, connection: str, entities: object, states: object) -> list[str]:
        return []

    async def list(self, states: Sequence[str], connection: str) -> Sequence[Any]:
        return ()

    # A pass

    async def changed_since(self, moment: object) -> Sequence[str]:
        return ()

    async def compare(self, keys: object, *, act: bool = True) -> Outcome:
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def alert_changes(self) -> Sequence[tuple[str, bool]]:
        return [(alert.kind, alert.resolved) for alert in self.alerts]


@pytest.fixture
def world() -> World:
    return World()


async def failing(world: World, monkeypatch: pytest.MonkeyPatch, *errors: Exception, minutes: float) -> None:
    """A watch whose passes end in these errors, one each so many minutes."""
    stop = asyncio.Event()

    async def pause(stop: asyncio.Event, seconds: float) -> None:
        world.clock.advance(minutes * 60)
        if not world.outcomes:
            stop.set()

    monkeypatch.setattr(subject_loop, "_pause", pause)
    world.outcomes += errors
    await world.watch().run(stop)


async def test_an_unexpected_error_is_logged_and_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with capture_logs() as logs:
        await failing(world, monkeypatch, ValueError("odd"), RetryLater("odd"), minutes=1)

    assert [entry["event"] for entry in logs] == ["a comparison failed", "not compared", "not compared"]
    assert (world.released, world.alerts) == (2, [])


async def test_a_connection_that_is_not_compared_for_a_quarter_of_an_hour_raises_one_alert(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.outcomes.append(Outcome())
    await world.watch().sweep()
    world.alerts.clear()
    await failing(world, monkeypatch, *[RetryLater("odd")] * 5, minutes=6)
    assert world.alert_changes() == [("not_compared", False)]

    # Another replica, which has raised no alert itself.
    world.outcomes.append(Outcome())
    await world.watch().sweep()
    assert world.alert_changes() == [("not_compared", False), ("not_compared", True)]


async def test_successful_passes_raise_no_alert(world: World) -> None:
    world.outcomes += [Outcome(), Outcome()]
    loop = world.watch()
    await loop.sweep()
    world.alerts.clear()
    world.clock.advance(300)
    await loop.sweep()

    assert world.alerts == []


async def test_orders_that_cannot_be_read_are_counted_and_logged_once(world: World) -> None:
    unread: Mapping[str, str] = {"5001": "it is too long"}
    world.outcomes += [Outcome(unread=dict(unread)), Outcome(unread=dict(unread))]
    loop = world.watch()
    with capture_logs() as logs:
        await loop.sweep()
        await loop.sweep()

    assert [entry["key"] for entry in logs if entry["event"] == "order not compared"] == ["5001"]
    labels = {"entity": "order", "reason": "unread"}
    assert world.registry.get_sample_value("tillbridge_events_failed_total", labels) == 2
