"""A subject joins by its own files: passes list, read, compare, repair and remember it like any other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from prometheus_client import CollectorRegistry

from services.reconciler.settings import Settings
from services.reconciler.subject_loop import SubjectLoop
from services.reconciler.subject_metrics import SubjectMetrics
from shared.canonical.alert import Alert
from shared.messaging.envelope import Envelope
from shared.messaging.topics import Topic
from shared.operations.comparison.decide import Caps
from shared.operations.comparison.passes import Pass, Rules
from shared.runtime.logging import get_logger
from shared.runtime.metrics import ServiceMetrics
from shared.state.cursors import Cursors
from shared.state.database import Database
from shared.state.drift import DriftLedger, Finding
from shared.state.reviews import Reviews
from shared.sync.comparison import Tools, Vendors
from shared.sync.comparison_memory import Memory
from tests.support.clock import FakeClock
from tests.support.messaging import NOON
from tests.support.shell import SECRET_KEY
from tests.support.stock_subject import SUBJECT as STOCK
from tests.support.stock_subject import Level

ENVIRON = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "DATABASE_URL": "postgresql://", "SECRET_KEY": SECRET_KEY}
MINUTE = timedelta(minutes=1)
AMPLE = Caps(10, Decimal(100))


class Road:
    """Takes what passes send and tell."""

    def __init__(self) -> None:
        self.sent: list[Envelope] = []
        self.alerts: list[Alert] = []

    async def send(self, topic: Topic, event: Envelope) -> None:
        self.sent.append(event)

    def alert(self, alert: Alert) -> None:
        self.alerts.append(alert)


class Harness:
    """A connection whose only subject is stock; ledger, reviews and cursors are real."""

    def __init__(self, database: Database, caps: Caps) -> None:
        self.database = database
        self.clock = FakeClock(NOON)
        self.road = Road()
        self.registry = CollectorRegistry()
        self.metrics = SubjectMetrics(ServiceMetrics("reconciler", self.registry), "main", STOCK.name)
        self.memory = Memory(capped=False)
        nobody: Any = None
        self.vendors = Vendors(nobody, nobody)
        self.side: Any = STOCK.open("main", self.vendors, Tools(database, STOCK.names(), MINUTE, self.memory))
        self.rules = Rules(settling=timedelta(), look_apart=MINUTE, caps=caps)

    def holds(self, key: str, here: int, there: int) -> None:
        self.side.held[key] = Level("main", key, here, there, self.clock.now())

    def a_pass(self) -> Pass[Any]:
        road: Any = self.road
        return Pass(
            "main", STOCK, self.side, self.vendors, ledger=DriftLedger(self.database), reviews=Reviews(self.database),
            producer=road, clock=self.clock, rules=self.rules, memory=self.memory,
        )  # fmt: skip

    def watch(self) -> SubjectLoop:
        leases: Any = None
        return SubjectLoop(
            "main", STOCK, self.a_pass, present=lambda: True, leases=leases, settings=Settings.from_env(ENVIRON),
            cursors=Cursors(self.database), ledger=DriftLedger(self.database), clock=self.clock,
            log=get_logger("reconciler"), alert=self.road.alerts.append,
            metrics=self.metrics,
        )  # fmt: skip

    async def drift(self, *states: Any) -> list[tuple[str, str]]:
        rows = await DriftLedger(self.database).list(states or ("open", "repairing", "review"))
        return sorted((row.key, row.kind) for row in rows)


@asynccontextmanager
async def opened(database_url: str, caps: Caps = AMPLE) -> AsyncIterator[Harness]:
    async with Database.open(database_url, 2) as database:
        yield Harness(database, caps)


async def test_what_differs_is_noted_sent_through_once_and_over_when_both_sides_agree(database_url: str) -> None:
    async with opened(database_url) as harness:
        harness.holds("TEE", 3, 5)
        harness.holds("HAT", 1, 1)
        watch = harness.watch()
        await watch.sweep()
        assert await harness.drift() == [("TEE", "stock_differs")]
        assert harness.road.sent == []

        harness.clock.advance(60)
        await watch.recheck()
        assert [(event.id, event.entity, event.subject) for event in harness.road.sent] == [
            ("repair:1:1", "stock", "TEE")
        ]
        [row] = await DriftLedger(harness.database).list(["repairing"])
        assert row.undo is not None
        assert (row.undo["held"], row.undo["notices"]) == ({"units": row.reason}, ["repair:1:1"])

        harness.holds("TEE", 5, 5)
        await watch.recheck()
        assert await harness.drift() == []
        assert await harness.drift("repaired") == [("TEE", "stock_differs")]
        labels = {"entity": "stock", "kind": "stock_differs"}
        assert harness.registry.get_sample_value("tillbridge_drift_repaired_total", labels) == 1


async def test_what_no_program_can_know_becomes_a_question_with_advice_of_its_own(database_url: str) -> None:
    async with opened(database_url) as harness:
        harness.holds("TEE", -1, 5)
        for _ in range(2):
            await harness.watch().sweep()
            harness.clock.advance(60)
        [asked] = await Reviews(harness.database).list()

    assert (asked.entity, asked.kind, asked.advice) == ("stock", "oversold", "Count it.")


async def test_what_agreed_is_not_listed_again_and_what_cannot_be_read_is_told(database_url: str) -> None:
    async with opened(database_url) as harness:
        harness.holds("TEE", 5, 5)
        harness.holds("HAT", 2, 1)
        harness.side.odd = {"HAT": "no figure"}
        outcome = await harness.watch().sweep()
        assert (outcome.compared, outcome.unread, await harness.drift()) == (1, {"HAT": "no figure"}, [])
        assert await harness.side.since(NOON - MINUTE) == ["HAT"]
        assert await harness.side.since(NOON - MINUTE, everything=True) == ["TEE", "HAT"]


async def test_its_cap_is_told_under_its_own_name(database_url: str) -> None:
    async with opened(database_url, Caps(0, Decimal(100))) as harness:
        harness.holds("TEE", 3, 5)
        for _ in range(2):
            await harness.watch().sweep()
            harness.clock.advance(60)

        [capped] = [alert for alert in harness.road.alerts if alert.kind == "drift_above_cap"]
        assert (capped.entity, capped.resolved, harness.road.sent) == ("stock", False, [])


async def test_what_was_repaired_of_another_subject_uses_up_no_cap_of_its_own(database_url: str) -> None:
    async with opened(database_url, Caps(1, Decimal(100))) as harness:
        ledger = DriftLedger(harness.database)
        other = await ledger.saw(Finding("main", "order", "1", "order_missing", "gone"), harness.clock.now())
        await ledger.undoes(other.id, {"at": harness.clock.now().isoformat()})
        harness.holds("TEE", 3, 5)
        for _ in range(2):
            await harness.watch().sweep()
            harness.clock.advance(60)

        assert [event.subject for event in harness.road.sent] == ["TEE"]


async def test_how_far_it_was_compared_is_kept_apart_and_so_are_its_open_differences(database_url: str) -> None:
    async with opened(database_url) as harness:
        ledger = DriftLedger(harness.database)
        other = replace((await _a_finding(harness)), entity="order")
        await ledger.saw(other, harness.clock.now())
        await harness.watch().sweep()

        assert await Cursors(harness.database).get("main", "reconciler.stock")
        # The order's is none of its own, so it is neither read nor over.
        assert await harness.drift() == [("TEE", "stock_differs")]


async def _a_finding(harness: Harness) -> Any:
    harness.holds("TEE", 3, 5)
    [finding] = STOCK.findings(harness.side.held["TEE"], STOCK.names())
    harness.side.held.clear()
    return finding
