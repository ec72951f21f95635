"""Runs a service whose clock is off: `python -m tests.support.clock_skew 3600 services.heartland_writer` (seconds)."""

from __future__ import annotations

import runpy
import sys
from datetime import UTC, datetime, timedelta

from shared.runtime.clock import SystemClock


def main() -> None:
    by, module = timedelta(seconds=float(sys.argv[1])), sys.argv[2]
    SystemClock.now = lambda _: datetime.now(UTC) + by  # type: ignore[method-assign]
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
