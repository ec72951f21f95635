"""Three minutes of the proof; `make prove` takes ten."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.prove.run import Plan, run
from tests.prove.schedule import KINDS
from tests.prove.verdict import proof
from tests.support.processes import ROOT

pytestmark = pytest.mark.timeout(900)

# Three times what `make prove` allows: of so few faults it is the slowest but one, and a test run may have to share its
# machine.
RESUME_SECONDS = 30.0


async def test_whatever_plug_is_pulled_nothing_is_lost_doubled_or_out_of_order(engine_folder: Path) -> None:
    told: list[str] = []
    # The evidence stays, for a look at what went wrong.
    ran = await run(Plan(minutes=3), ROOT / "build" / "prove-short", engine_folder / "prove", told.append)
    report = proof(ran, RESUME_SECONDS)

    assert report["complaints"] == [], "\n".join(told)
    assert report["verdict"] == "pass"
    assert set(report["faults"]) == set(KINDS)
    assert min(report["kills"].values()) >= 1
    assert report["in_doubt"]["occurred"] == report["in_doubt"]["resolved"] > 0
    assert report["dlq_expected"] == report["dlq_actual"] > 0
