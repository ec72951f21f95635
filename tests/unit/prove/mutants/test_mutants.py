"""Every patch matches the product, every defence has a mutant, and only expected violations kill it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from shared.errors import Misconfigured
from tests.prove.mutants.__main__ import CONTROL, Outcome, selected, summary
from tests.prove.mutants.defences import DEFENCES, replace_attribute
from tests.prove.mutants.table import MUTANTS
from tests.prove.schedule import FAULT_KINDS
from tests.prove.vendor_faults import VENDOR_FAULTS

ROOT = Path(__file__).parents[4]
OUTCOME = Outcome("ledger", "no faults", ("duplicated",), {"duplicated": 2}, ["duplicated: payment 7"], "", 40.0)


def test_every_patch_matches_the_product() -> None:
    """In a separate process, so that this one keeps its defences."""
    program = "from tests.prove.mutants.defences import DEFENCES\nfor switch_off in DEFENCES.values(): switch_off()"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)


def test_patching_a_missing_attribute_fails() -> None:
    with pytest.raises(AttributeError):
        replace_attribute(DEFENCES, "renamed", None)


def test_every_defence_has_a_mutant() -> None:
    assert {mutant.defence for mutant in MUTANTS} >= DEFENCES.keys()
    assert len(MUTANTS) >= 12
    assert 3 <= sum(mutant.short for mutant in MUTANTS) <= 4


def test_scenarios_have_known_faults_within_their_duration() -> None:
    faults = [(mutant.scenario, fault) for mutant in MUTANTS for fault in mutant.scenario.fault_schedule({})]
    assert faults
    assert all(
        fault.kind in {*FAULT_KINDS, *VENDOR_FAULTS, "republish", "rejection"} and fault.at < scenario.seconds
        for scenario, fault in faults
    )


def test_scenario_names_are_unique() -> None:
    assert len({mutant.scenario.name for mutant in MUTANTS}) == len({id(mutant.scenario) for mutant in MUTANTS})


def test_only_an_expected_violation_kills_a_mutant() -> None:
    assert OUTCOME.verdict == "killed"
    assert replace(OUTCOME, found={"lost": 1}).verdict == "SURVIVED"
    assert replace(OUTCOME, found={}, pending="1 parked key").verdict == "SURVIVED"


def test_a_control_run_passes_only_without_violations() -> None:
    control = replace(OUTCOME, defence=CONTROL, expected=(), found={})
    assert control.verdict == "passed"
    assert replace(control, pending="1 parked key").verdict == "FAILED"
    assert replace(control, found={"lost": 1}).verdict == "FAILED"


def test_the_summary_has_verdict_violations_and_examples() -> None:
    assert summary(OUTCOME) == "killed: ledger (no faults): found 2 duplicated\n    duplicated: payment 7"


def test_mutants_are_selected_by_only_or_short() -> None:
    assert selected({}) == list(MUTANTS)
    assert [mutant.defence for mutant in selected({"ONLY": "park lock, echo filter"})] == ["echo filter", "park lock"]
    assert all(mutant.short for mutant in selected({"SHORT": "1"}))
    with pytest.raises(Misconfigured):
        selected({"ONLY": "nothing of the kind"})
