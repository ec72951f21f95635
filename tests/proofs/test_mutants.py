"""The proof can fail: with a defence disabled, the checker finds the expected violation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.prove.mutants.__main__ import run_mutants, selected, summary


@pytest.mark.timeout(900)
async def test_the_proof_fails_when_a_defence_is_off(disk_folder: Path) -> None:
    outcomes = await run_mutants(selected({"SHORT": "1"}), disk_folder / "mutant", controls=False, tell=print)
    assert len(outcomes) >= 3
    assert [summary(one) for one in outcomes if not one.is_expected] == []
