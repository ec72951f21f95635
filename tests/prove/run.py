"""One run of the proof: load and faults at the same time, then healing, rest, evidence, and the verdict."""

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
from tests.prove.evidence import Evidence
from tests.prove.generate import poison
from tests.prove.generate.entities import GENERATORS
from tests.prove.generate.generator import Generator
from tests.prove.generate.load import Load
from tests.prove.generate.plan import NEW_SHARE, Json, Planned
from tests.prove.generate.poison import Kind, Poison
from tests.prove.history import History, read_mutations
from tests.prove.log import Log
from tests.prove.mend import mend
from tests.prove.nemesis import Nemesis
from tests.prove.rest import come_to_rest
from tests.prove.samples import Samples, open_samples
from tests.prove.schedule import KINDS, Strike, schedule
from tests.prove.vendors import Vendors, webhook_faults, webhook_shares

ORDERS_PER_MINUTE = 200
POISON_PER_MINUTE = 2
DROPPED = 0.01
LOAD_TAIL_SECONDS = 120.0
REST_SECONDS = 150.0
# Has the reconciler joined? Without it nobody finds what a dropped webhook told of.
RECONCILER = any(service.name == "reconciler" for service in SERVICES)


@dataclass(frozen=True)
class Plan:
    """What a run is made of. `faults` are kinds of schedule.KINDS and "webhooks" (duplicated, reordered, ...)."""

    seed: int = 7
    minutes: float = 10.0
    faults: Sequence[str] = (*KINDS, "webhooks")
    orders_per_minute: float = ORDERS_PER_MINUTE
    settings: Mapping[str, str] = field(default_factory=dict)
    # How long Heartland is said to lag.
    read_lag_seconds: float = READ_LAG_SECONDS
    rest_seconds: float = REST_SECONDS
    tail_seconds: float = LOAD_TAIL_SECONDS
    # Whether the poisoned records are repaired at the end, as an operator would.
    mends: bool = True
    generators: Sequence[Generator] = GENERATORS

    def strikes(self, services: Mapping[str, Sequence[str]]) -> list[Strike]:
        """Which fault strikes when. `services` has the names of each service's processes."""
        kinds = [kind for kind in self.faults if kind in KINDS]
        return schedule(Random(self.seed), self.seconds, kinds, services)

    def asked(self, services: Sequence[str]) -> Json:
        """What the checker has to find at least: see check/enough.py."""
        return {
            **self._lives(),
            "faults": [kind for kind in self.faults if kind in KINDS],
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
    def steps(self) -> list[Planned]:
        return [step for one in self.generators for step in one.plan(self.seed, self.orders, self.seconds)]

    @property
    def kinds(self) -> list[Kind]:
        return [kind for one in self.generators for kind in one.kinds]

    @property
    def poisons(self) -> int:
        """Every kind at least once."""
        return max(len(self.kinds), round(self.minutes * POISON_PER_MINUTE))

    @property
    def dropped(self) -> float:
        return DROPPED if RECONCILER and "webhooks" in self.faults else 0.0

    def _lives(self) -> dict[str, int]:
        """How many of each subject there will be."""
        subjects = {one.name: one.plural for one in self.generators if one.subject == one.name}
        begun = Counter(entity for entity, _ in {(step.entity, step.number) for step in self.steps})
        return {plural: begun[name] for name, plural in subjects.items()}


@dataclass(frozen=True)
class Ran:
    """`unrest` says what never came to rest, `complaints` what else went wrong; `figures` are for people."""

    evidence: Evidence
    unrest: str
    complaints: Sequence[str]
    figures: Mapping[str, object]


async def run(plan: Plan, build: Path, data: Path, tell: Callable[[str], None] = print) -> Ran:
    """The evidence lies in `build` afterwards. Raises Misconfigured where the system does not even start."""
    for folder in (build, data):
        clear(folder)
    for client in ("aiokafka", "asyncpg"):  # that a server is away is what we make happen
        logging.getLogger(client).setLevel(logging.CRITICAL)
    async with open_stage(plan, build, data, tell) as stage:
        return await stage.play()


def clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o711)  # started by root, PostgreSQL runs as somebody who must get through


@dataclass(frozen=True)
class Stage:
    """Everything one run needs, open."""

    plan: Plan
    build: Path
    cluster: Cluster
    log: Log
    samples: Samples
    load: Load
    vendors: Vendors
    nemesis: Nemesis
    producer: Producer
    tell: Callable[[str], None]

    async def play(self) -> Ran:
        plan = self.plan
        watching = asyncio.create_task(self.samples.watch())
        try:
            await self.load.stock()
            began = datetime.now(UTC)
            complaint = await self._strike_while_loading()
            healed = time.monotonic()
            self.tell(f"load and faults are over after {self.load.done} changes: waiting for rest")
            rest = await self._rest(compared=True)
            figures = self._figures(time.monotonic() - healed)
            complaints: list[str] = []
            if plan.mends:
                figures["letters_repaired"], complaints = await self._mend()
                rest = rest or await self._rest(compared=False)
            self.tell("collecting the evidence")
            evidence = await collect(
                self.cluster,
                self.log,
                self.samples,
                self.nemesis,
                self.build,
                plan.generators,
                seed=plan.seed,
                minutes=plan.minutes,
                # What is new comes until then: later there may be nothing to go on with.
                busy_until=began + timedelta(seconds=plan.seconds * NEW_SHARE),
                more={
                    "reconciler": RECONCILER,
                    "dropped_webhooks": plan.dropped,
                    "mends": plan.mends,
                    "asked": plan.asked(list(self.cluster.services)),
                },
            )
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        return Ran(evidence, complaint or rest, complaints, figures)

    async def _rest(self, *, compared: bool) -> str:
        seconds = self.plan.rest_seconds
        return await come_to_rest(self.cluster, self.log, self.samples, seconds, self.tell, compared=compared)

    async def _mend(self) -> tuple[int, list[str]]:
        self.tell("repairing what was poisoned")
        poison = [row.details for row in read_mutations(self.build / "history.jsonl") if row.poison]
        return await mend(self.cluster, self.load, poison, self.build)

    async def _strike_while_loading(self) -> str:
        """What of the load could not be done; empty when all was."""
        plan, steps = self.plan, self.plan.steps
        self.tell(f"{plan.orders} orders, {len(steps)} changes, {plan.poisons} poisoned records; seed {plan.seed}")
        strikes = plan.strikes(self.cluster.services)
        connection, until = self.cluster.stack.connection, plan.seconds * NEW_SHARE
        poisons = poison.plan(plan.seed, connection, plan.poisons, until, plan.kinds)
        await self.vendors.begin()
        loading = asyncio.create_task(self.load.run(steps))
        poisoning = asyncio.create_task(self.load.poison(poisons, self._publish))
        await self.nemesis.run(strikes)
        _, late = await asyncio.wait({loading, poisoning}, timeout=plan.seconds)
        await self.nemesis.heal()
        self.tell("healed")
        if late:
            _, late = await asyncio.wait(late, timeout=plan.tail_seconds)
        for task in late:
            task.cancel()
        for result in await asyncio.gather(loading, poisoning, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        waiting = ", ".join(sorted(self.load.waiting)[:10])
        return f"{len(self.load.waiting)} never reached the other side as they stand: {waiting}" if late else ""

    async def _publish(self, one: Poison) -> None:
        """Until the broker has it; one that has just come back may not know its topics yet."""
        while True:
            try:
                return await self.producer.send(one.kind.topic, one.envelope, timeout_seconds=LOAD_TAIL_SECONDS)
            except TargetDown as error:
                self.tell(f"a poisoned record waits: {error.reason}")
                await asyncio.sleep(1.0)

    def _figures(self, rest_seconds: float) -> dict[str, object]:
        return {
            "orders": self.plan.orders,
            "changes": self.load.done,
            "calls_hit": dict(sorted(self.vendors.hits.items())),
            "rest_seconds": round(rest_seconds, 1),
            "restarts": {name: state.restarts for name, state in self.cluster.stack.supervisor.states.items()},
            "broker": f"Apache Kafka {self.cluster.broker.version}",
            "database": f"PostgreSQL {self.cluster.database.version}",
        }


@asynccontextmanager
async def open_stage(plan: Plan, build: Path, data: Path, tell: Callable[[str], None]) -> AsyncIterator[Stage]:
    async with (
        open_cluster(
            data, build, seed=plan.seed, tell=tell, settings=plan.settings, read_lag_seconds=plan.read_lag_seconds
        ) as cluster,
        open_producer(Settings.from_env(cluster.stack.environ), SystemClock()) as producer,
    ):
        log = Log(cluster.broker.bootstrap_servers, cluster.stack.engine.topic_prefix)
        history, clocked = History(build / "history.jsonl"), _clocked(tell)
        vendors = Vendors(cluster.control, webhook_faults(plan.dropped) if "webhooks" in plan.faults else [])
        with open_samples(cluster, log, build) as samples, closing(history):
            nemesis = Nemesis(cluster, vendors, samples, history, clocked)
            load = Load(plan.seed, cluster.control, history, plan.generators)
            yield Stage(plan, build, cluster, log, samples, load, vendors, nemesis, producer, clocked)


def _clocked(tell: Callable[[str], None]) -> Callable[[str], None]:
    started = time.monotonic()
    return lambda text: tell(f"{time.monotonic() - started:6.1f} s  {text}")
