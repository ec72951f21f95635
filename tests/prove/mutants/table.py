"""Which faults bring the lack of which defence to light, and what the checker must then find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.prove.run import Plan
from tests.prove.schedule import Strike

# The one defence that is a service of its own.
RECONCILER: Final = "reconciler"


@dataclass(frozen=True)
class Scene(Plan):
    """A short run with strikes of its own, without the reconciler: it would put right what is to be found.

    `name` is for people; runs of one scene differ in the defence that is missing. `dropped` is the share of webhooks
    that nobody ever gets.
    """

    seed: int = 5
    minutes: float = 0.45
    faults: Sequence[str] = ()
    orders_per_minute: float = 180
    rest_seconds: float = 60.0
    tail_seconds: float = 60.0
    mends: bool = False
    name: str = ""
    struck: tuple[Strike, ...] = ()
    dropped: float = 0.0
    reconciler: bool = False

    def strikes(self, services: Mapping[str, Sequence[str]]) -> list[Strike]:
        return sorted(self.struck, key=lambda strike: strike.at)


@dataclass(frozen=True)
class Mutant:
    """`defence` is one of `defences.DEFENCES`, or the reconciler, which is simply not started; `finds` are violations
    of which one at least must be there.
    """

    defence: str
    scene: Scene
    finds: tuple[str, ...]
    short: bool = field(default=False)


def _kills(times: Mapping[str, Sequence[float]]) -> tuple[Strike, ...]:
    return tuple(Strike(at, "kill", process, 0.0) for process, moments in times.items() for at in moments)


CALM: Final = Scene(name="no faults")
# Both processes of a service, a few seconds after the poisoned record that it meets.
KILLS: Final = Scene(
    name="kill -9 of every worker",
    struck=_kills(
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
ZOMBIES: Final = Scene(
    name="processes asleep beyond their session",
    struck=(
        Strike(4.0, "stop", "heartland-writer", 9.0),
        Strike(5.0, "stop", "transformer-order", 9.0),
        Strike(15.0, "stop", "heartland-writer-2", 9.0),
        Strike(16.0, "stop", "transformer-order-2", 9.0),
    ),
    settings={"SANDBOX_LATENCY_MS": "150"},
)
OLD_ORDERS: Final = Scene(
    name="old orders come once more",
    struck=(Strike(12.0, "again", "canonical.order", 0.0), Strike(24.0, "again", "canonical.order", 0.0)),
)
# What is parked waits a few seconds longer than the outage: time enough to be overtaken, once the breaker lets calls
# through again, and before the next outage.
NO_SHIPMENTS: Final = Scene(
    name="Shopify takes no shipments",
    struck=tuple(Strike(at, "no_shipments", "shopify", 6.0) for at in (3.0, 16.0)),
    settings={"OUTAGE_PARK_SECONDS": "1"},
    orders_per_minute=240,
)
STORE_AWAY: Final = Scene(
    name="Heartland is away",
    struck=(Strike(8.0, "outage", "heartland", 12.0),),
    settings={"PARK_SCHEDULE_SECONDS": "1,1,1"},
)
DOUBTS: Final = Scene(
    name="500 after every other shipment", struck=(Strike(1.0, "doubtful_shipments", "shopify", 26.0),)
)
# Who died between a create and its answer is followed by one who cannot see it yet.
STORE_DOUBTS: Final = Scene(
    name="writers killed within creates, reads lag",
    struck=(
        Strike(1.0, "slow_creates", "heartland", 26.0),
        Strike(1.0, "late_reads", "heartland", 26.0),
        *_kills({"heartland-writer": (5.0, 13.0, 21.0), "heartland-writer-2": (8.0, 16.0, 24.0)}),
    ),
    read_lag_seconds=10.0,
    rest_seconds=90.0,
)
POLLS: Final = Scene(name="every other invoice shows late", struck=(Strike(1.0, "late_invoices", "heartland", 26.0),))
BROKER: Final = Scene(
    name="broker away for long, ingress killed",
    struck=(
        Strike(5.0, "broker", "broker", 18.0),
        *_kills({"ingress": (9.0,), "ingress-2": (13.0,)}),
    ),
)
REFUSED: Final = Scene(
    name="the broker refuses orders",
    struck=tuple(Strike(at, "refusal", "canonical.order", 2.0) for at in (4.0, 12.0, 20.0)),
)
UNHEARD: Final = Scene(
    name="a third of the webhooks dropped",
    faults=("webhooks",),
    dropped=0.33,
    reconciler=True,
    rest_seconds=120.0,
    tail_seconds=120.0,
)

MUTANTS: Final = (
    Mutant("ledger", DOUBTS, ("duplicated",), short=True),
    Mutant("ledger", STORE_DOUBTS, ("duplicated",)),
    Mutant("echo filter", CALM, ("echoed",)),
    Mutant("lanes", CALM, ("reordered", "duplicated", "disagreeing")),
    Mutant("commit after done", KILLS, ("passed", "lost"), short=True),
    Mutant("hops before commit", KILLS, ("lost", "passed")),
    Mutant("dead letter before commit", KILLS, ("dead_letters",)),
    Mutant("parked rows", KILLS, ("lost", "disagreeing")),
    Mutant("epoch guard", ZOMBIES, ("lost", "passed")),
    Mutant("version gate", OLD_ORDERS, ("reordered", "disagreeing")),
    Mutant("park lock", NO_SHIPMENTS, ("reordered",)),
    Mutant("facts are no states", NO_SHIPMENTS, ("disagreeing",)),
    Mutant("outage pause", STORE_AWAY, ("dead_letters",), short=True),
    Mutant("in-doubt look-up", DOUBTS, ("duplicated", "disagreeing")),
    Mutant("poll overlap", POLLS, ("lost", "disagreeing")),
    Mutant("webhook answer after the ack", BROKER, ("lost",)),
    Mutant("producer replacement", REFUSED, ("lost",)),
    Mutant(RECONCILER, UNHEARD, ("disagreeing",)),
)
