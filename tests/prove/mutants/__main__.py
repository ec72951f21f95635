"""`make prove-mutants`: disables one defence at a time; the checker must find a violation. `SHORT=1` runs a few.

Each scenario also has a control run with all defences, in which the checker must find nothing.
`ONLY="park lock,ledger"` selects mutants by defence.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rich.console import Console
from rich.table import Table

from deploy.local.services import SERVICES, Launch
from deploy.local.services import plan as usual_plan
from shared.errors import Misconfigured
from tests.prove.check import check
from tests.prove.mutants.table import MUTANTS, RECONCILER, Mutant, Scenario
from tests.prove.run import run

CONTROL = ""
_UNPATCHED = ("sandbox",)
# A mutant may leave work pending for ever, so waiting is short; work in progress is not a violation, so there is some.
_MUTANTS_TAIL_SECONDS, _MUTANTS_QUIESCENCE_SECONDS = 25.0, 25.0


@dataclass(frozen=True)
class Outcome:
    """One run's outcome. `found` counts the checker's violations by kind; `pending` names work that never finished."""

    defence: str
    scenario: str
    expected: tuple[str, ...]
    found: Mapping[str, int]
    examples: Sequence[str]
    pending: str
    seconds: float

    @property
    def is_killed(self) -> bool:
        return any(self.found.get(kind) for kind in self.expected)

    @property
    def is_expected(self) -> bool:
        """Whether a control run has no violations, or a mutant at least one of those expected."""
        return not (self.found or self.pending) if self.defence == CONTROL else self.is_killed

    @property
    def verdict(self) -> str:
        if self.defence == CONTROL:
            return "passed" if self.is_expected else "FAILED"
        return "killed" if self.is_expected else "SURVIVED"


@contextmanager
def without(defence: str, scenario: Scenario) -> Iterator[None]:
    """Services started in this context lack the defence; the reconciler runs only if the scenario has it.

    The journal service is left out, since the checker does not use it.
    """

    def plan(service: Any, *given: Any, **named: Any) -> Launch:
        launch = usual_plan(service, *given, **named)
        if defence in (CONTROL, RECONCILER) or service.name in _UNPATCHED:
            return launch
        python, _, module = launch.argv
        return replace(launch, argv=(python, "-m", "tests.prove.mutants.start", defence, module))

    has_reconciler = scenario.reconciler and defence != RECONCILER
    excluded = {"journal"} if has_reconciler else {"journal", RECONCILER}
    started = tuple(one for one in SERVICES if one.name not in excluded)
    with ExitStack() as stack:
        stack.enter_context(patch("deploy.local.stack.plan", plan))
        for module in ("deploy.local.stack", "tests.prove.cluster"):
            stack.enter_context(patch(f"{module}.SERVICES", started))
        yield


async def run_scenario(
    scenario: Scenario, defence: str, expected: tuple[str, ...], build: Path, tell: Callable[[str], None]
) -> Outcome:
    started = time.monotonic()
    with without(defence, scenario), tempfile.TemporaryDirectory(prefix="mutant-", dir=build.parent) as data:
        result = await run(scenario, build, Path(data), tell)
    report = check(result.evidence)
    return Outcome(
        defence,
        scenario.name,
        expected,
        dict(report.counts),
        report.failures,
        result.pending,
        time.monotonic() - started,
    )


async def run_mutants(
    mutants: Sequence[Mutant], build: Path, *, controls: bool, tell: Callable[[str], None]
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    scenarios = dict.fromkeys(mutant.scenario.name for mutant in mutants)
    for name in scenarios:
        of_scene = [mutant for mutant in mutants if mutant.scenario.name == name]
        scenario = of_scene[0].scenario
        if controls:
            outcomes.append(await run_scenario(scenario, CONTROL, (), build, tell))
            tell(summary(outcomes[-1]))
        for mutant in of_scene:
            short = replace(
                scenario, quiescence_seconds=_MUTANTS_QUIESCENCE_SECONDS, tail_seconds=_MUTANTS_TAIL_SECONDS
            )
            outcomes.append(await run_scenario(short, mutant.defence, mutant.expected, build, tell))
            tell(summary(outcomes[-1]))
    return outcomes


def summary(one: Outcome) -> str:
    """The line that is printed after a run, with up to three examples."""
    found = ", ".join(f"{count} {kind}" for kind, count in one.found.items()) or "nothing"
    pending = f"; still pending: {one.pending}" if one.pending else ""
    examples = "".join(f"\n    {text}" for text in one.examples[:3])
    return f"{one.verdict}: {one.defence or 'all defences'} ({one.scenario}): found {found}{pending}{examples}"


def selected(environ: Mapping[str, str]) -> list[Mutant]:
    """The mutants that SHORT or ONLY select. Raises Misconfigured for an unknown defence."""
    names = [name.strip() for name in environ.get("ONLY", "").split(",") if name.strip()]
    if unknown := set(names) - {mutant.defence for mutant in MUTANTS}:
        raise Misconfigured(f"ONLY: {', '.join(sorted(unknown))} : no such defence")
    if names:
        return [mutant for mutant in MUTANTS if mutant.defence in names]
    return [mutant for mutant in MUTANTS if mutant.short or not environ.get("SHORT")]


def show(outcomes: Sequence[Outcome]) -> None:
    table = Table("disabled defence", "scenario", "expected", "found", "seconds", "")
    for one in outcomes:
        found = ", ".join(f"{kind} {count}" for kind, count in one.found.items()) or "-"
        expected = " or ".join(one.expected) or "nothing"
        table.add_row(one.defence or "none (control)", one.scenario, expected, found, f"{one.seconds:.0f}", one.verdict)
    Console().print(table)


def write(outcomes: Sequence[Outcome], path: Path) -> None:
    rows = [
        {
            "defence": one.defence, "faults": one.scenario, "expected": one.expected, "found": one.found,
            "seconds": round(one.seconds, 1), "verdict": one.verdict, "examples": list(one.examples),
        }
        for one in outcomes
    ]  # fmt: skip
    path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    build = Path("build").resolve()
    build.mkdir(exist_ok=True)
    try:
        mutants = selected(os.environ)
        # `make prove-short` runs the proof itself as well, which serves as the control.
        controls = not os.environ.get("SHORT")
        outcomes = asyncio.run(run_mutants(mutants, build / "mutant", controls=controls, tell=_tell))
    except Misconfigured as error:
        print(error.reason, file=sys.stderr)
        return 78
    show(outcomes)
    write(outcomes, build / "mutants.json")
    return 0 if all(one.is_expected for one in outcomes) else 1


def _tell(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
