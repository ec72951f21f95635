"""One run of the proof: load and faults together, then heal, wait until quiescent, and collect the evidence."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from deploy.local.services import SERVICES
from shared.errors import TargetDown
from shared.messaging.kafka.producer import Producer, open_producer
from shared.runtime.clock import SystemClock
from shared.runtime.settings import Settings
from tests.prove.cluster import READ_LAG_SECONDS, Cluster, open_cluster
from tests.prove.collect import collect
from tests.prove.dead_letter_repair import repair_dead_letters
from tests.prove.evidence import Evidence
from tests.prove.fault_injector import FaultInjector
from tests.prove.generate import poison
from tests.prove.generate.entities import GENERATORS
from tests.prove.generate.generator import Generator
from tests.prove.generate.load import Load
from tests.prove.generate.plan import NEW_SHARE, Json, PlannedChange
from tests.prove.generate.poison import Poison, PoisonKind
from tests.prove.history import History, read_mutations
from tests.prove.kafka_client import KafkaClient
from tests.prove.quiescence import wait_until_quiescent
from tests.prove.samples import Samples, open_samples
from tests.prove.schedule import FAULT_KINDS, PlannedFault, schedule
from tests.prove.vendor_faults import VendorFaults, webhook_faults, webhook_shares

ORDERS_PER_MINUTE = 200
POISON_PER_MINUTE = 2
DROPPED_WEBHOOKS = 0.01
LOAD_TAIL_SECONDS = 120.0
QUIESCENCE_SECONDS = 150.0
# Only the reconciler finds a change whose webhook was dropped, so webhooks are dropped only if it runs.
RECONCILER = any(service.name == "reconciler" for service in SERVICES)


@dataclass(frozen=True)
class RunConfig:
    """A run's configuration. `faults` are kinds of schedule.FAULT_KINDS and "webhooks" (dropped, duplicated, ...)."""

    seed: int = 7
    minutes: float = 10.0
    faults: Sequence[str] = (*FAULT_KINDS, "webhooks")
    orders_per_minute: float = ORDERS_PER_MINUTE
    settings: Mapping[str, str] = field(default_factory=dict)
    # The read lag that the connection's settings state for Heartland.
    read_lag_seconds: float = READ_LAG_SECONDS
    quiescence_seconds: float = QUIESCENCE_SECONDS
    tail_seconds: float = LOAD_TAIL_SECONDS
    # Whether the dead letters that can be repaired are edited and replayed at the end, as an operator would.
    repairs_dead_letters: bool = True
    generators: Sequence[Generator] = GENERATORS

    def fault_schedule(self, services: Mapping[str, Sequence[str]]) -> list[PlannedFault]:
        """Which fault is injected when. `services` maps each service to the names of its processes."""
        kinds = [kind for kind in self.faults if kind in FAULT_KINDS]
        return schedule(Random(self.seed), self.seconds, kinds, services)

    def requirements(self, services: Sequence[str]) -> Json:
        """The minimum that the checker must find in the evidence: see check/sufficient_load.py."""
        return {
            **self._subject_counts(),
            "faults": [kind for kind in self.faults if kind in FAULT_KINDS],
            "killed": list(services) if "kill" in self.faults else [],
            "webhooks": webhook_shares(self.dropped) if "webhooks" in self.faults else {},
        }

    @property
    def seconds(self) -> float:
        return self.minutes * 60

    @property
    def orders(self) -> int:
        return round(self.minutes * self.orders_per_minute)

    @property
    def changes(self) -> list[PlannedChange]:
        return [change for one in self.generators for change in one.plan(self.seed, self.orders, self.seconds)]

    @property
    def poison_kinds(self) -> list[PoisonKind]:
        return [kind for one in self.generators for kind in one.poison_kinds]

    @property
    def poisons(self) -> int:
        """How many poison records are published: each kind at least once."""
        return max(len(self.poison_kinds), round(self.minutes * POISON_PER_MINUTE))

    @property
    def dropped(self) -> float:
        return DROPPED_WEBHOOKS if RECONCILER and "webhooks" in self.faults else 0.0

    def _subject_counts(self) -> dict[str, int]:
        """How many of each subject (orders, ...) the load creates."""
        subjects = {one.name: one.plural for one in self.generators if one.subject == one.name}
        begun = Counter(entity for entity, _ in {(change.entity, change.number) for change in self.changes})
        return {plural: begun[name] for name, plural in subjects.items()}


@dataclass(frozen=True)
class RunResult:
    """One run's outcome.

    `pending` names work that never finished, `failures` what else went wrong; `figures` are shown in the report.
    """

    evidence: Evidence
    pending: str
    failures: Sequence[str]
    figures: Mapping[str, object]


async def run(config: RunConfig, build: Path, data: Path, tell: Callable[[str], None] = print) -> RunResult:
    """Writes the evidence to `build`. Raises Misconfigured if the system does not start."""
    for folder in (build, data):
        clear(folder)
    for client in ("aiokafka", "asyncpg"):  # unreachable servers are injected on purpose
        logging.getLogger(client).setLevel(logging.CRITICAL)
    async with open_run(config, build, data, tell) as opened:
        return await opened.play()


def clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o711)  # started by root, PostgreSQL runs as another user, who must be able to enter


@dataclass(frozen=True)
class OpenRun:
    """Everything one run needs: started cluster, clients and load."""

    config: RunConfig
    build: Path
    cluster: Cluster
    kafka: KafkaClient
    samples: Samples
    load: Load
    vendor_faults: VendorFaults
    fault_injector: FaultInjector
    producer: Producer
    tell: Callable[[str], None]

    async def play(self) -> RunResult:
        config = self.config
        watching = asyncio.create_task(self.samples.watch())
        try:
            await self.load.prepare()
            began = datetime.now(UTC)
            failure = await self._inject_faults_during_load()
            healed = time.monotonic()
            self.tell(f"load and faults ended after {self.load.changes_made} changes: waiting until no work is pending")
            pending = await self._wait_until_quiescent(reconciled=True)
            figures = self._figures(time.monotonic() - healed)
            failures: list[str] = []
            if config.repairs_dead_letters:
                figures["dlq_repaired"], failures = await self._repair_dead_letters()
                pending = pending or await self._wait_until_quiescent(reconciled=False)
            self.tell("collecting the evidence")
            evidence = await collect(
                self.cluster,
                self.kafka,
                self.samples,
                self.fault_injector,
                self.build,
                config.generators,
                seed=config.seed,
                minutes=config.minutes,
                # New subjects are created until then: later, a recovered service may have nothing to process.
                busy_until=began + timedelta(seconds=config.seconds * NEW_SHARE),
                more={
                    "reconciler": RECONCILER,
                    "dropped_webhooks": config.dropped,
                    "repairs_dead_letters": config.repairs_dead_letters,
                    "required": config.requirements(list(self.cluster.services)),
                },
            )
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        return RunResult(evidence, failure or pending, failures, figures)

    async def _wait_until_quiescent(self, *, reconciled: bool) -> str:
        seconds = self.config.quiescence_seconds
        return await wait_until_quiescent(
            self.cluster, self.kafka, self.samples, seconds, self.tell, reconciled=reconciled
        )

    async def _repair_dead_letters(self) -> tuple[int, list[str]]:
        self.tell("editing and replaying the dead letters that can be repaired")
        poison = [row.details for row in read_mutations(self.build / "history.jsonl") if row.poison]
        return await repair_dead_letters(self.cluster, self.load, poison, self.build)

    async def _inject_faults_during_load(self) -> str:
        """Names the changes that could not be made; empty if all were."""
        config, changes = self.config, self.config.changes
        self.tell(
            f"load: {config.orders} orders, {len(changes)} changes, {config.poisons} poison records; seed {config.seed}"
        )
        faults = config.fault_schedule(self.cluster.services)
        connection, until = self.cluster.stack.connection, config.seconds * NEW_SHARE
        poisons = poison.plan(config.seed, connection, config.poisons, until, config.poison_kinds)
        await self.vendor_faults.start()
        loading = asyncio.create_task(self.load.run(changes))
        poisoning = asyncio.create_task(self.load.poison(poisons, self._publish))
        await self.fault_injector.run(faults)
        _, late = await asyncio.wait({loading, poisoning}, timeout=config.seconds)
        await self.fault_injector.heal()
        self.tell("every fault has been removed")
        if late:
            _, late = await asyncio.wait(late, timeout=config.tail_seconds)
        for task in late:
            task.cancel()
        for result in await asyncio.gather(loading, poisoning, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        waiting = ", ".join(sorted(self.load.waiting)[:10])
        return f"the next change of {len(self.load.waiting)} subjects never became possible: {waiting}" if late else ""

    async def _publish(self, one: Poison) -> None:
        """Retries until the broker acknowledges: one that has just restarted may not know its topics yet."""
        while True:
            try:
                return await self.producer.send(one.kind.topic, one.envelope, timeout_seconds=LOAD_TAIL_SECONDS)
            except TargetDown as error:
                self.tell(f"publishing a poison record again: {error.reason}")
                await asyncio.sleep(1.0)

    def _figures(self, quiescence_seconds: float) -> dict[str, object]:
        return {
            "orders": self.config.orders,
            "changes": self.load.changes_made,
            "faulted_calls": dict(sorted(self.vendor_faults.hits.items())),
            "quiescence_seconds": round(quiescence_seconds, 1),
            "restarts": {name: state.restarts for name, state in self.cluster.stack.supervisor.states.items()},
            "broker": f"Apache Kafka {self.cluster.broker.version}",
            "database": f"PostgreSQL {self.cluster.database.version}",
        }


@asynccontextmanager
async def open_run(config: RunConfig, build: Path, data: Path, tell: Callable[[str], None]) -> AsyncIterator[OpenRun]:
    async with (
        open_cluster(
            data, build, seed=config.seed, tell=tell, settings=config.settings, read_lag_seconds=config.read_lag_seconds
        ) as cluster,
        open_producer(Settings.from_env(cluster.stack.environ), SystemClock()) as producer,
    ):
        kafka = KafkaClient(cluster.broker.bootstrap_servers, cluster.stack.engine.topic_prefix)
        history, clocked = History(build / "history.jsonl"), _with_elapsed_time(tell)
        vendor_faults = VendorFaults(
            cluster.control, webhook_faults(config.dropped) if "webhooks" in config.faults else []
        )
        with open_samples(cluster, kafka, build) as samples, closing(history):
            fault_injector = FaultInjector(cluster, vendor_faults, samples, history, clocked)
            load = Load(config.seed, cluster.control, history, config.generators)
            yield OpenRun(
                config, build, cluster, kafka, samples, load, vendor_faults, fault_injector, producer, clocked
            )


def _with_elapsed_time(tell: Callable[[str], None]) -> Callable[[str], None]:
    started = time.monotonic()
    return lambda text: tell(f"{time.monotonic() - started:6.1f} s  {text}")
