"""Three minutes of the proof; `make prove` runs ten."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.prove.run import RunConfig, run
from tests.prove.schedule import FAULT_KINDS
from tests.prove.verdict import proof
from tests.support.processes import ROOT

pytestmark = pytest.mark.timeout(900)

# Nearly four times the limit of `make prove`: with so few faults the 95th percentile is the second slowest, and a test
# run may share its machine.
RESUME_SECONDS = 30.0


async def test_every_guarantee_holds_under_injected_faults(engine_folder: Path) -> None:
    told: list[str] = []
    # The evidence is kept, to examine a failure.
    result = await run(RunConfig(minutes=3), ROOT / "build" / "prove-short", engine_folder / "prove", told.append)
    report = proof(result, RESUME_SECONDS)

    assert report["failures"] == [], "\n".join(told)
    assert report["verdict"] == "pass"
    assert set(report["faults"]) == set(FAULT_KINDS)
    assert min(report["kills"].values()) >= 1
    assert report["in_doubt"]["occurred"] == report["in_doubt"]["resolved"] > 0
    assert report["dlq_expected"] == report["dlq_actual"] > 0
