"""docs/capabilities.md is what the markers say, and a claim without a passing test is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.capabilities.__main__ import unproven
from tests.capabilities.catalogue import DOCUMENT, Capability, marked_functions, read_proofs, read_table, render


def test_the_committed_document_is_what_the_generator_makes() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render(read_table(), read_proofs()), "run `make capabilities`"


def test_every_mark_names_a_capability() -> None:
    assert read_proofs().keys() <= {row.id for row in read_table()}


def test_each_capability_stands_once_in_order() -> None:
    assert [row.id for row in read_table()] == [f"S{number}" for number in range(1, 139)]


def test_every_mark_in_the_tests_is_found() -> None:
    """A mark that is no decorator of a module's function would be run and counted for nothing."""
    root = Path(__file__).parents[2]
    files = [path for path in root.rglob("*.py") if path != Path(__file__) and path.parent.name != "capabilities"]
    written = sum(path.read_text(encoding="utf-8").count("mark.capability(") for path in files)

    assert written == len({test for tests in read_proofs().values() for test in tests})


def test_marks_are_read_from_decorators() -> None:
    source = '@pytest.mark.capability("S1", "S2")\n@other\nasync def test_a(): ...\n\ndef test_b(): ...\n'

    assert list(marked_functions(source)) == [("test_a", ["S1", "S2"])]


@pytest.mark.parametrize(
    ("passed", "wrong"),
    [
        pytest.param({"x::test_a": True}, [], id="passed"),
        pytest.param({"x::test_a": False}, ["S1 is claimed, but x::test_a failed"], id="failed"),
        pytest.param({}, ["S1 is claimed, but none of its tests ran"], id="not run"),
        pytest.param({"x::test_b": True}, [], id="one passed, another was skipped"),
    ],
)
def test_a_claim_needs_a_test_that_passes(passed: dict[str, bool], wrong: list[str]) -> None:
    assert unproven({"S1": ["x::test_a", "x::test_b"]}, passed) == wrong


def test_an_unproven_capability_says_what_exists() -> None:
    table = [Capability("S1", "Here", "One."), Capability("S2", "Here", "Two.", exists="half")]
    text = render(table, {"S1": ["tests/unit/test_x.py::test_it_works"]})

    assert "| S1 | One. | [it works](../tests/unit/test_x.py) |" in text
    assert "| S2 | Two. | not yet: half |" in text
    assert "1 proven by tests, 1 not yet" in text
