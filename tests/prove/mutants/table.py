"""The mutants: for each disabled defence, the scenario that exposes it and the violations that must be found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.prove.run import RunConfig
from tests.prove.schedule import PlannedFault

# The only defence that is a service of its own.
RECONCILER: Final = "reconciler"


@dataclass(frozen=True)
class Scenario(RunConfig):
    """A short run with fixed faults and without the reconciler, which would repair the damage that must be found.

    `name` is printed; runs of one scenario differ only in the disabled defence. `dropped` is the share of webhooks that
    are never delivered.
    """

    seed: int = 5
    minutes: float = 0.45
    faults: Sequence[str] = ()
    orders_per_minute: float = 180
    quiescence_seconds: float = 60.0
    tail_seconds: float = 60.0
    repairs_dead_letters: bool = False
    name: str = ""
    planned_faults: tuple[PlannedFault, ...] = ()
    dropped: float = 0.0
    reconciler: bool = False

    def fault_schedule(self, services: Mapping[str, Sequence[str]]) -> list[PlannedFault]:
        return sorted(self.planned_faults, key=lambda fault: fault.at)


@dataclass(frozen=True)
class Mutant:
    """`defence` is one of `defences.DEFENCES`, or the reconciler, which is then not started.

    The checker must find at least one of the violations in `expected`.
    """

    defence: str
    scenario: Scenario
    expected: tuple[str, ...]
    short: bool = field(default=False)


def _kills(times: Mapping[str, Sequence[float]]) -> tuple[PlannedFault, ...]:
    return tuple(PlannedFault(at, "kill", process, 0.0) for process, moments in times.items() for at in moments)


NO_FAULTS: Final = Scenario(name="no faults")
# Both processes of a service, a few seconds after it receives its poison record.
KILLS: Final = Scenario(
    name="kill -9 of every worker",
    planned_faults=_kills(
        {
            "transformer-order": (9.0, 19.0),
            "transformer-order-2": (9.0, 20.0),
            "transformer-fulfilment": (13.0,),
            "transformer-fulfilment-2": (13.0,),
            "heartland-writer": (7.0, 21.0),
            "heartland-writer-2": (7.5, 22.0),
            "shopify-writer": (11.0, 25.0),
            "shopify-writer-2": (11.5, 25.0),
        }
    ),
)
ZOMBIES: Final = Scenario(
    name="processes paused beyond the session timeout",
    planned_faults=(
        PlannedFault(4.0, "stop", "heartland-writer", 9.0),
        PlannedFault(5.0, "stop", "transformer-order", 9.0),
        PlannedFault(15.0, "stop", "heartland-writer-2", 9.0),
        PlannedFault(16.0, "stop", "transformer-order-2", 9.0),
    ),
    settings={"SANDBOX_LATENCY_MS": "150"},
)
REPUBLISHED_ORDERS: Final = Scenario(
    name="old order records published again",
    planned_faults=(
        PlannedFault(12.0, "republish", "canonical.order", 0.0),
        PlannedFault(24.0, "republish", "canonical.order", 0.0),
    ),
)
# A parked key waits a few seconds longer than the outage, so that later records of the key can overtake it once the
# breaker closes, and before the next outage.
SHIPMENTS_FAIL: Final = Scenario(
    name="Shopify rejects every shipment",
    planned_faults=tuple(PlannedFault(at, "shipments_fail", "shopify", 6.0) for at in (3.0, 16.0)),
    settings={"OUTAGE_PARK_SECONDS": "1"},
    orders_per_minute=240,
)
HEARTLAND_OUTAGE: Final = Scenario(
    name="Heartland outage",
    planned_faults=(PlannedFault(8.0, "outage", "heartland", 12.0),),
    settings={"PARK_SCHEDULE_SECONDS": "1,1,1"},
)
SHIPMENTS_IN_DOUBT: Final = Scenario(
    name="HTTP 500 after every other shipment was created",
    planned_faults=(PlannedFault(1.0, "shipments_in_doubt", "shopify", 26.0),),
)
# A writer is killed between a create and its answer; its successor cannot read the created order yet.
CREATES_IN_DOUBT: Final = Scenario(
    name="writers killed during creates, reads lag",
    planned_faults=(
        PlannedFault(1.0, "slow_creates", "heartland", 26.0),
        PlannedFault(1.0, "late_reads", "heartland", 26.0),
        *_kills({"heartland-writer": (5.0, 13.0, 21.0), "heartland-writer-2": (8.0, 16.0, 24.0)}),
    ),
    read_lag_seconds=10.0,
    quiescence_seconds=90.0,
)
LATE_INVOICES: Final = Scenario(
    name="every other invoice becomes visible late",
    planned_faults=(PlannedFault(1.0, "late_invoices", "heartland", 26.0),),
)
BROKER_OUTAGE: Final = Scenario(
    name="long broker outage, ingress killed",
    planned_faults=(
        PlannedFault(5.0, "broker", "broker", 18.0),
        *_kills({"ingress": (9.0,), "ingress-2": (13.0,)}),
    ),
)
BROKER_REJECTS: Final = Scenario(
    name="broker rejects order records",
    planned_faults=tuple(PlannedFault(at, "rejection", "canonical.order", 2.0) for at in (4.0, 12.0, 20.0)),
)
DROPPED_WEBHOOKS: Final = Scenario(
    name="a third of the webhooks dropped",
    faults=("webhooks",),
    dropped=0.33,
    reconciler=True,
    quiescence_seconds=120.0,
    tail_seconds=120.0,
)

MUTANTS: Final = (
    Mutant("ledger", SHIPMENTS_IN_DOUBT, ("duplicated",), short=True),
    Mutant("ledger", CREATES_IN_DOUBT, ("duplicated",)),
    Mutant("echo filter", NO_FAULTS, ("echoed",)),
    Mutant("lanes", NO_FAULTS, ("reordered", "duplicated", "disagreeing")),
    Mutant("commit after done", KILLS, ("early_commit", "lost"), short=True),
    Mutant("hops before commit", KILLS, ("lost", "early_commit")),
    Mutant("dead letter before commit", KILLS, ("dead_letters",)),
    Mutant("parked rows", KILLS, ("lost", "disagreeing")),
    Mutant("epoch guard", ZOMBIES, ("lost", "early_commit")),
    Mutant("version gate", REPUBLISHED_ORDERS, ("reordered", "disagreeing")),
    Mutant("park lock", SHIPMENTS_FAIL, ("reordered",)),
    Mutant("facts are no states", SHIPMENTS_FAIL, ("disagreeing",)),
    Mutant("outage pause", HEARTLAND_OUTAGE, ("dead_letters",), short=True),
    Mutant("in-doubt look-up", SHIPMENTS_IN_DOUBT, ("duplicated", "disagreeing")),
    Mutant("poll overlap", LATE_INVOICES, ("lost", "disagreeing")),
    Mutant("webhook answer after the ack", BROKER_OUTAGE, ("lost",)),
    Mutant("producer replacement", BROKER_REJECTS, ("lost",)),
    Mutant(RECONCILER, DROPPED_WEBHOOKS, ("disagreeing",)),
)
