"""The capabilities, the tests that are marked as their proof, and docs/capabilities.md made of both."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("table.yaml")
DOCUMENT = ROOT / "docs" / "capabilities.md"
# What `make test` runs.
FOLDERS = ("unit", "contract", "integration", "e2e")

Proofs = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Capability:
    """One row of table.yaml. `there` tells what exists of a capability that no test proves yet."""

    id: str
    section: str
    says: str
    there: str = ""


def read_table(text: str | None = None) -> list[Capability]:
    sections: list[dict[str, Any]] = yaml.safe_load(TABLE.read_text(encoding="utf-8") if text is None else text)
    return [
        Capability(id_, section["section"], **({"says": row} if isinstance(row, str) else row))
        for section in sections
        for id_, row in section["rows"].items()
    ]


def read_proofs(tests: Path = ROOT / "tests") -> dict[str, list[str]]:
    """Capability id -> the tests marked with it, as `tests/e2e/test_x.py::test_y`."""
    proofs: dict[str, list[str]] = {}
    for path in sorted(path for folder in FOLDERS for path in (tests / folder).rglob("test_*.py")):
        for name, ids in marked_functions(path.read_text(encoding="utf-8")):
            for id_ in ids:
                proofs.setdefault(id_, []).append(f"{path.relative_to(tests.parent).as_posix()}::{name}")
    return proofs


def marked_functions(source: str) -> Iterator[tuple[str, list[str]]]:
    """Module-level test functions with `@pytest.mark.capability(...)`, and the ids in it."""
    if "mark.capability(" not in source:
        return
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            ids = [id_ for decorator in node.decorator_list for id_ in _ids(decorator)]
            if ids:
                yield node.name, ids


def _ids(decorator: ast.expr) -> list[str]:
    if not (isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.capability"):
        return []
    return [str(ast.literal_eval(argument)) for argument in decorator.args]


def counts(table: list[Capability], proofs: Proofs) -> str:
    proven = sum(row.id in proofs for row in table)
    return f"{proven} proven, {len(table) - proven} not yet"


def render(table: list[Capability], proofs: Proofs) -> str:
    """The text of docs/capabilities.md."""
    lines = [
        "# Capabilities",
        "",
        f"{counts(table, proofs)}. Made by `make capabilities`, which runs every test named here; do not edit.",
        "The statements are in `tests/capabilities/table.yaml`; a test claims one with `@pytest.mark.capability`.",
    ]
    for section in dict.fromkeys(row.section for row in table):
        lines += ["", f"## {section}", "", "| | capability | proof |", "|---|---|---|"]
        lines += [_row(row, proofs.get(row.id, [])) for row in table if row.section == section]
    return "\n".join(lines) + "\n"


def _row(row: Capability, tests: list[str]) -> str:
    proof = "<br>".join(_link(test) for test in tests) or f"not yet{f': {row.there}' if row.there else ''}"
    return f"| {row.id} | {row.says} | {proof} |"


def _link(test: str) -> str:
    path, _, name = test.partition("::")
    return f"[{name.removeprefix('test_').replace('_', ' ')}](../{path})"
