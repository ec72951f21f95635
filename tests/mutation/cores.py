"""The cores that are mutated, and the tests that must notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_MESSAGING = "tests/unit/shared/messaging"
_RESILIENCE = "tests/unit/shared/resilience"
_WRITER = "tests/unit/services/heartland_writer"
_WAY_BACK = "tests/unit/services/shopify_writer"


@dataclass(frozen=True, slots=True)
class Core:
    """`tests` without the extension, the quickest first."""

    path: str
    tests: tuple[str, ...]

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").replace("/", ".")

    @property
    def files(self) -> list[str]:
        return [f"{test}.py" for test in self.tests]

    def source(self) -> str:
        return Path(self.path).read_text()


CORES = (
    Core("shared/messaging/watermark.py", (f"{_MESSAGING}/test_watermark",)),
    Core("shared/messaging/lane.py", (f"{_MESSAGING}/test_lane", f"{_MESSAGING}/test_lanes")),
    Core("shared/messaging/turns.py", (f"{_MESSAGING}/test_turns", f"{_MESSAGING}/test_lanes")),
    Core("shared/messaging/lanes.py", (f"{_MESSAGING}/test_lanes", f"{_MESSAGING}/test_lanes_model")),
    Core("shared/messaging/policy.py", (f"{_MESSAGING}/test_policy",)),
    Core("shared/messaging/outages.py", (f"{_MESSAGING}/test_outages",)),
    Core("shared/messaging/commit.py", (f"{_MESSAGING}/test_commit",)),
    Core("shared/messaging/listener.py", (f"{_MESSAGING}/test_listener",)),
    Core("shared/messaging/pending.py", (f"{_MESSAGING}/test_pending",)),
    Core("shared/messaging/parking.py", (f"{_MESSAGING}/test_parking", f"{_MESSAGING}/test_treatment")),
    Core("shared/messaging/replay.py", (f"{_MESSAGING}/test_replay", f"{_MESSAGING}/test_treatment")),
    Core("shared/state/versions.py", ("tests/unit/shared/state/test_versions",)),
    Core("shared/state/ledger.py", ("tests/unit/shared/state/test_ledger",)),
    Core("shared/state/turn.py", ("tests/unit/shared/state/test_turn",)),
    Core("shared/resilience/retry.py", (f"{_RESILIENCE}/test_retry",)),
    Core(
        "shared/resilience/breaker.py",
        (f"{_RESILIENCE}/test_breaker", f"{_RESILIENCE}/test_breaker_model"),
    ),
    Core("shared/resilience/budget.py", (f"{_RESILIENCE}/test_budget",)),
    Core("shared/resilience/cost_budget.py", (f"{_RESILIENCE}/test_cost_budget",)),
    Core("shared/resilience/demand.py", (f"{_RESILIENCE}/test_demand",)),
    Core("shared/resilience/queue.py", (f"{_RESILIENCE}/test_queue",)),
    Core("shared/resilience/shares.py", (f"{_RESILIENCE}/test_shares",)),
    Core("services/poller/feed.py", ("tests/unit/services/poller/test_feed",)),
    Core("services/heartland_writer/once.py", (f"{_WRITER}/test_once", f"{_WRITER}/test_once_model")),
    Core("services/shopify_writer/doubt.py", (f"{_WAY_BACK}/test_doubt",)),
    Core("services/shopify_writer/past.py", (f"{_WAY_BACK}/test_past",)),
)
