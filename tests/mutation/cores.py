"""The modules that are mutated, and the tests that must fail for their mutants."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_ERROR_HANDLING = "tests/unit/shared/messaging/consumer/test_error_handling.py"
_LANES = "tests/unit/shared/messaging/lanes/test_lanes.py"


@dataclass(frozen=True, slots=True)
class Core:
    """One module to mutate. `more` are test files besides those at its own path, the fastest first."""

    path: str
    more: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").replace("/", ".")

    @property
    def files(self) -> list[str]:
        source = Path("tests/unit", self.path)
        own = [source.with_name(f"test_{source.stem}{ending}.py") for ending in ("", "_model")]
        return [*(str(path) for path in own if path.exists()), *self.more]

    def source(self) -> str:
        return Path(self.path).read_text()


CORES = (
    Core("shared/messaging/lanes/watermark.py"),
    Core("shared/messaging/lanes/lane.py", (_LANES,)),
    Core("shared/messaging/lanes/scheduler.py", (_LANES,)),
    Core("shared/messaging/lanes/lanes.py"),
    Core("shared/messaging/consumer/error_policy.py"),
    Core("shared/messaging/consumer/outages.py"),
    Core("shared/messaging/consumer/commit.py"),
    Core("shared/messaging/consumer/rebalance_listener.py"),
    Core("shared/messaging/kafka/pending_record.py"),
    Core("shared/messaging/parking/parking.py", (_ERROR_HANDLING,)),
    Core("shared/messaging/parking/parked_retry.py", (_ERROR_HANDLING,)),
    Core("shared/messaging/consumer/lane_retry.py", (_ERROR_HANDLING,)),
    Core("shared/state/versions.py"),
    Core("shared/state/ledger.py"),
    Core("shared/sync/ownership_check.py"),
    Core("shared/limits/retry.py"),
    Core("shared/limits/circuit_breaker.py"),
    Core("shared/limits/rate_limit.py"),
    Core("shared/limits/query_cost.py"),
    Core("shared/limits/demand.py"),
    Core("shared/limits/priority_queue.py"),
    Core("shared/limits/share_allocation.py"),
    Core("shared/entities/fulfilment/poll_position.py"),
    Core("shared/sync/create_once.py"),
    Core("shared/sync/unit_of_work.py"),
    Core("shared/entities/fulfilment/to_shopify/in_doubt.py"),
    Core("shared/entities/fulfilment/to_shopify/history.py"),
)
