"""`make prove-mutants`: every defence switched off once; who survives has not been tested. `SHORT=1`: a few of them.

Each scene is also played with all defences in place, and must pass then: else its faults would prove nothing.
`ONLY="park lock,ledger"` picks some.
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
from tests.prove.mutants.table import MUTANTS, RECONCILER, Mutant, Scene
from tests.prove.run import run

WHOLE = ""
_NOT_OURS = ("sandbox",)
# A mutant need not come to rest: what it broke may wait for ever. Yet what is only under way is no violation.
_MUTANTS_TAIL_SECONDS, _MUTANTS_REST_SECONDS = 25.0, 25.0


@dataclass(frozen=True)
class Outcome:
    """One run. `found` counts the checker's violations by kind; `unrest` is what never came to rest."""

    defence: str
    scene: str
    expected: tuple[str, ...]
    found: Mapping[str, int]
    examples: Sequence[str]
    unrest: str
    seconds: float

    @property
    def is_killed(self) -> bool:
        return any(self.found.get(kind) for kind in self.expected)

    @property
    def is_good(self) -> bool:
        """A control run finds nothing; a mutant is found for the reason that was foreseen."""
        return not (self.found or self.unrest) if self.defence == WHOLE else self.is_killed

    @property
    def verdict(self) -> str:
        if self.defence == WHOLE:
            return "passed" if self.is_good else "FAILED"
        return "killed" if self.is_good else "SURVIVED"


@contextmanager
def without(defence: str, scene: Scene) -> Iterator[None]:
    """Whatever is started meanwhile lacks that defence; the reconciler is there where the scene has it.

    The journal only watches, and nobody asks it here.
    """

    def plan(service: Any, *given: Any, **named: Any) -> Launch:
        launch = usual_plan(service, *given, **named)
        if defence in (WHOLE, RECONCILER) or service.name in _NOT_OURS:
            return launch
        python, _, module = launch.argv
        return replace(launch, argv=(python, "-m", "tests.prove.mutants.start", defence, module))

    is_there = scene.reconciler and defence != RECONCILER
    left_out = {"journal"} if is_there else {"journal", RECONCILER}
    started = tuple(one for one in SERVICES if one.name not in left_out)
    with ExitStack() as stack:
        stack.enter_context(patch("deploy.local.stack.plan", plan))
        for module in ("deploy.local.stack", "tests.prove.cluster"):
            stack.enter_context(patch(f"{module}.SERVICES", started))
        yield


async def play(
    scene: Scene, defence: str, expected: tuple[str, ...], build: Path, tell: Callable[[str], None]
) -> Outcome:
    started = time.monotonic()
    with without(defence, scene), tempfile.TemporaryDirectory(prefix="mutant-", dir=build.parent) as data:
        ran = await run(scene, build, Path(data), tell)
    report = check(ran.evidence)
    return Outcome(
        defence, scene.name, expected, dict(report.counts), report.complaints, ran.unrest, time.monotonic() - started
    )


async def hunt(mutants: Sequence[Mutant], build: Path, *, controls: bool, tell: Callable[[str], None]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    scenes = dict.fromkeys(mutant.scene.name for mutant in mutants)
    for name in scenes:
        of_scene = [mutant for mutant in mutants if mutant.scene.name == name]
        scene = of_scene[0].scene
        if controls:
            outcomes.append(await play(scene, WHOLE, (), build, tell))
            tell(told(outcomes[-1]))
        for mutant in of_scene:
            short = replace(scene, rest_seconds=_MUTANTS_REST_SECONDS, tail_seconds=_MUTANTS_TAIL_SECONDS)
            outcomes.append(await play(short, mutant.defence, mutant.finds, build, tell))
            tell(told(outcomes[-1]))
    return outcomes


def told(one: Outcome) -> str:
    """One line while it goes on."""
    found = ", ".join(f"{count} {kind}" for kind, count in one.found.items()) or "nothing"
    unrest = f"; no rest: {one.unrest}" if one.unrest else ""
    examples = "".join(f"\n    {text}" for text in one.examples[:3])
    return f"{one.verdict}: {one.defence or 'all defences'} ({one.scene}): found {found}{unrest}{examples}"


def chosen(environ: Mapping[str, str]) -> list[Mutant]:
    """Raises Misconfigured for a name that no mutant has."""
    names = [name.strip() for name in environ.get("ONLY", "").split(",") if name.strip()]
    if unknown := set(names) - {mutant.defence for mutant in MUTANTS}:
        raise Misconfigured(f"ONLY: {', '.join(sorted(unknown))} is no defence")
    if names:
        return [mutant for mutant in MUTANTS if mutant.defence in names]
    return [mutant for mutant in MUTANTS if mutant.short or not environ.get("SHORT")]


def show(outcomes: Sequence[Outcome]) -> None:
    table = Table("defence off", "faults", "expected", "found", "seconds", "")
    for one in outcomes:
        found = ", ".join(f"{kind} {count}" for kind, count in one.found.items()) or "-"
        expected = " or ".join(one.expected) or "nothing"
        table.add_row(one.defence or "none (control)", one.scene, expected, found, f"{one.seconds:.0f}", one.verdict)
    Console().print(table)


def write(outcomes: Sequence[Outcome], path: Path) -> None:
    rows = [
        {
            "defence": one.defence, "faults": one.scene, "expected": one.expected, "found": one.found,
            "seconds": round(one.seconds, 1), "verdict": one.verdict, "examples": list(one.examples),
        }
        for one in outcomes
    ]  # fmt: skip
    path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    build = Path("build").resolve()
    build.mkdir(exist_ok=True)
    try:
        mutants = chosen(os.environ)
        # A short form has the proof itself beside it as its control.
        controls = not os.environ.get("SHORT")
        outcomes = asyncio.run(hunt(mutants, build / "mutant", controls=controls, tell=_tell))
    except Misconfigured as error:
        print(error.reason, file=sys.stderr)
        return 78
    show(outcomes)
    write(outcomes, build / "mutants.json")
    return 0 if all(one.is_good for one in outcomes) else 1


def _tell(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
