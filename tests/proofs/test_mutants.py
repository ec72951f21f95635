"""The proof can fail: without some of its defences the system does what it must not, and the checker says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.prove.mutants.__main__ import chosen, hunt, told


@pytest.mark.timeout(900)
async def test_the_proof_fails_when_a_defence_is_off(disk_folder: Path) -> None:
    outcomes = await hunt(chosen({"SHORT": "1"}), disk_folder / "mutant", controls=False, tell=print)
    assert len(outcomes) >= 3
    assert [told(one) for one in outcomes if not one.is_good] == []
