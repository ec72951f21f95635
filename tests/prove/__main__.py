"""`SEED=7 MINUTES=10 FAULTS=kill,stop make prove`: nothing lost, doubled or out of order, whatever plug is pulled."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from shared.errors import Misconfigured
from tests.prove.run import Plan, run
from tests.prove.schedule import KINDS
from tests.prove.verdict import proof, show, write

_USUAL = Plan()


def plan_from(environ: Mapping[str, str]) -> Plan:
    """Raises Misconfigured for what cannot be read."""
    given = [word.strip() for word in environ.get("FAULTS", "").split(",") if word.strip()]
    known = (*KINDS, "webhooks", "none")
    if unknown := [word for word in given if word not in known]:
        raise Misconfigured(f"FAULTS: {', '.join(unknown)} not among {', '.join(known)}")
    try:
        return Plan(
            seed=int(environ.get("SEED") or _USUAL.seed),
            minutes=float(environ.get("MINUTES") or _USUAL.minutes),
            faults=[word for word in given if word != "none"] if given else _USUAL.faults,
            orders_per_minute=float(environ.get("ORDERS_PER_MINUTE") or _USUAL.orders_per_minute),
        )
    except ValueError as error:
        raise Misconfigured(f"SEED, MINUTES and ORDERS_PER_MINUTE are numbers: {error}") from error


def main() -> int:
    build = Path("build").resolve()
    build.mkdir(exist_ok=True)
    try:
        plan = plan_from(os.environ)
        with tempfile.TemporaryDirectory(prefix="prove-", dir=build) as data:
            ran = asyncio.run(run(plan, build / "prove", Path(data), lambda text: print(text, flush=True)))
    except Misconfigured as error:
        print(error.reason, file=sys.stderr)
        return 78
    report = proof(ran)
    write(report, build / "proof.json")
    show(report)
    return 0 if report["verdict"] == "pass" else 1


if __name__ == "__main__":
    sys.exit(main())
