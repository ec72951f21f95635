"""Mutants patch what is really there, each defence has one, and only what was foreseen counts as found."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from shared.errors import Misconfigured
from tests.prove.mutants.__main__ import WHOLE, Outcome, chosen, told
from tests.prove.mutants.defences import DEFENCES, put
from tests.prove.mutants.table import MUTANTS
from tests.prove.schedule import KINDS
from tests.prove.vendors import FAULTS

ROOT = Path(__file__).parents[4]
OUTCOME = Outcome("ledger", "no faults", ("duplicated",), {"duplicated": 2}, ["duplicated: payment 7"], "", 40.0)


def test_every_patch_finds_what_it_patches() -> None:
    """In a process of its own: this one keeps its defences."""
    program = "from tests.prove.mutants.defences import DEFENCES\nfor switch_off in DEFENCES.values(): switch_off()"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)


def test_what_was_renamed_is_not_patched_in_silence() -> None:
    with pytest.raises(AttributeError):
        put(DEFENCES, "renamed", None)


def test_every_defence_has_a_mutant_and_there_are_enough_of_them() -> None:
    assert {mutant.defence for mutant in MUTANTS} >= DEFENCES.keys()
    assert len(MUTANTS) >= 12
    assert 3 <= sum(mutant.short for mutant in MUTANTS) <= 4


def test_scenes_strike_with_known_faults_and_within_their_time() -> None:
    strikes = [(mutant.scene, strike) for mutant in MUTANTS for strike in mutant.scene.strikes({})]
    assert strikes
    assert all(
        strike.kind in {*KINDS, *FAULTS, "again", "refusal"} and strike.at < scene.seconds for scene, strike in strikes
    )


def test_scenes_are_known_by_their_names() -> None:
    assert len({mutant.scene.name for mutant in MUTANTS}) == len({id(mutant.scene) for mutant in MUTANTS})


def test_a_mutant_is_killed_by_what_was_foreseen() -> None:
    assert OUTCOME.verdict == "killed"
    assert replace(OUTCOME, found={"lost": 1}).verdict == "SURVIVED"
    assert replace(OUTCOME, found={}, unrest="1 parked key").verdict == "SURVIVED"


def test_with_all_defences_nothing_may_be_found() -> None:
    control = replace(OUTCOME, defence=WHOLE, expected=(), found={})
    assert control.verdict == "passed"
    assert replace(control, unrest="1 parked key").verdict == "FAILED"
    assert replace(control, found={"lost": 1}).verdict == "FAILED"


def test_a_line_tells_how_a_run_went() -> None:
    assert told(OUTCOME) == "killed: ledger (no faults): found 2 duplicated\n    duplicated: payment 7"


def test_mutants_are_chosen_by_name_or_in_short() -> None:
    assert chosen({}) == list(MUTANTS)
    assert [mutant.defence for mutant in chosen({"ONLY": "park lock, echo filter"})] == ["echo filter", "park lock"]
    assert all(mutant.short for mutant in chosen({"SHORT": "1"}))
    with pytest.raises(Misconfigured):
        chosen({"ONLY": "nothing of the kind"})
