"""`python -m tests.mutation [part of a path]...`: prints and writes scores; exits with 1 below the required share."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import Process
from multiprocessing.connection import wait
from pathlib import Path

from tests.mutation.cores import CORES, Core
from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import Mutant, mutants
from tests.mutation.trial import prepare, trial

SHARE = 0.85
REPORT = Path("build/mutation.json")


@dataclass(slots=True)
class Score:
    """The mutation score of one module."""

    module: str
    killed: int = 0
    timed_out: int = 0
    survived: list[Mutant] = field(default_factory=list)

    @property
    def mutants(self) -> int:
        return self.killed + len(self.survived)

    @property
    def share(self) -> float:
        return self.killed / self.mutants if self.mutants else 1.0


def score(core: Core, jobs: int) -> Score:
    """Tries every mutant of a core, `jobs` at a time. Raises SystemExit if its tests fail without a mutant."""
    timeout = 3 + 4 * _seconds_without_mutant(core)
    known = EQUIVALENT.get(core.path, {})
    waiting = [mutant for mutant in mutants(core.source()) if mutant.name not in known]
    result = Score(core.path)
    running: dict[int, tuple[Process, Mutant, float]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop(0)
            process = trial(core.module, mutant.tree, core.files)
            running[process.sentinel] = (process, mutant, time.monotonic() + timeout)
        for sentinel, timed_out in _ended(running):
            process, mutant, _ = running.pop(sentinel)
            process.join()
            result.timed_out += timed_out
            if process.exitcode == 0:
                result.survived.append(mutant)
            else:
                result.killed += 1
    return result


def _seconds_without_mutant(core: Core) -> float:
    began = time.monotonic()
    process = trial(core.module, None, core.files)
    process.join()
    if process.exitcode != 0:
        sys.exit(f"the tests of {core.path} fail without any mutant: {' '.join(core.files)}")
    return time.monotonic() - began


def _ended(running: dict[int, tuple[Process, Mutant, float]]) -> Iterator[tuple[int, bool]]:
    """Finished trials as (sentinel, False), and those killed at their deadline as (sentinel, True)."""
    soonest = min(deadline for _, _, deadline in running.values())
    done = wait(list(running), max(0.0, soonest - time.monotonic()))
    for sentinel, (process, _, deadline) in list(running.items()):
        if sentinel in done:
            yield sentinel, False
        elif time.monotonic() >= deadline:
            os.kill(process.pid or 0, signal.SIGKILL)
            yield sentinel, True


def report(scores: list[Score], seconds: float) -> dict[str, object]:
    killed, total = sum(one.killed for one in scores), sum(one.mutants for one in scores)
    return {
        "mutants": total,
        "killed": killed,
        "survived": total - killed,
        "share": round(killed / total, 4) if total else 1.0,
        "equivalent": sum(len(EQUIVALENT.get(one.module, {})) for one in scores),
        "seconds": round(seconds, 1),
        "modules": {
            one.module: {
                "mutants": one.mutants,
                "killed": one.killed,
                "timed_out": one.timed_out,
                "share": round(one.share, 4),
                "survived": [f"{mutant.line}: {mutant.name}" for mutant in one.survived],
            }
            for one in scores
        },
    }


def main(parts: list[str]) -> int:
    selected = [core for core in CORES if not parts or any(part in core.path for part in parts)]
    jobs = int(os.environ.get("JOBS", "0")) or os.cpu_count() or 1
    prepare(sorted({file for core in selected for file in core.files}))
    began = time.monotonic()
    scores = []
    print(f"{'module':45} {'mutants':>8} {'killed':>7} {'survived':>9} {'share':>7}")
    for core in selected:
        scores.append(one := score(core, jobs))
        print(f"{one.module:45} {one.mutants:8} {one.killed:7} {len(one.survived):9} {one.share:7.1%}", flush=True)
        if parts:
            print(*(f"    {mutant.line}: {mutant.name}" for mutant in one.survived), sep="\n")
    summary = report(scores, time.monotonic() - began)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(summary, indent=2) + "\n")
    print(f"{'all':45} {summary['mutants']:8} {summary['killed']:7} {summary['survived']:9} {summary['share']:7.1%}")
    for one in scores:
        if one.share < SHARE:
            print(f"below the required {SHARE:.0%}: {one.module}")
    return 0 if float(str(summary["share"])) >= SHARE else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
