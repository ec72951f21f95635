"""`SEED=7 MINUTES=10 FAULTS=kill,stop make prove`: runs the load with faults and checks every guarantee."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from shared.errors import Misconfigured
from tests.prove.run import RunConfig, run
from tests.prove.schedule import FAULT_KINDS
from tests.prove.verdict import proof, show, write

_DEFAULTS = RunConfig()


def config_from(environ: Mapping[str, str]) -> RunConfig:
    """The run's configuration from environment variables. Raises Misconfigured for an unknown or malformed value."""
    given = [word.strip() for word in environ.get("FAULTS", "").split(",") if word.strip()]
    known = (*FAULT_KINDS, "webhooks", "none")
    if unknown := [word for word in given if word not in known]:
        raise Misconfigured(f"FAULTS: unknown: {', '.join(unknown)}; known are {', '.join(known)}")
    try:
        return RunConfig(
            seed=int(environ.get("SEED") or _DEFAULTS.seed),
            minutes=float(environ.get("MINUTES") or _DEFAULTS.minutes),
            faults=[word for word in given if word != "none"] if given else _DEFAULTS.faults,
            orders_per_minute=float(environ.get("ORDERS_PER_MINUTE") or _DEFAULTS.orders_per_minute),
        )
    except ValueError as error:
        raise Misconfigured(f"SEED, MINUTES and ORDERS_PER_MINUTE must be numbers: {error}") from error


def main() -> int:
    build = Path("build").resolve()
    build.mkdir(exist_ok=True)
    try:
        config = config_from(os.environ)
        with tempfile.TemporaryDirectory(prefix="prove-", dir=build) as data:
            result = asyncio.run(run(config, build / "prove", Path(data), lambda text: print(text, flush=True)))
    except Misconfigured as error:
        print(error.reason, file=sys.stderr)
        return 78
    report = proof(result)
    write(report, build / "proof.json")
    show(report)
    return 0 if report["verdict"] == "pass" else 1


if __name__ == "__main__":
    sys.exit(main())
