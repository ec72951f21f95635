"""Conventions: what no file may name, how long a function may be, and one meaning per class name."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXTS = (".py", ".md", ".sql", ".toml", ".yaml", ".yml", ".in", ".lock", ".graphql", ".properties")

FORBIDDEN = {
    "an issue's number": re.compile(r"\b(?:issue|pull request)s? #?\d+", re.IGNORECASE),
    "a path of one machine": re.compile(r"(?<![\w.)}])/(?:work|root|home/\w+|Users/\w+)/"),
    "a registry's host": re.compile(r"\b(?:pypi|pythonhosted|maven|npmjs)\.(?:org|com)\b|--index-url"),
}

LONGEST = 45
LONGEST_FIRST_LINE = 100

# Each service has its own `Settings`; the sandbox shares no code with the product, so its words are its own.
EXEMPT = {"Settings"}


def texts() -> Iterator[Path]:
    """Every file of ours that people read; not what is made or installed here."""
    yield from (path for path in ROOT.iterdir() if path.suffix in TEXTS or path.name in ("Makefile", "Dockerfile"))
    yield ROOT / ".ci" / "run"
    for top in ("services", "shared", "deploy", "tests", "docs"):
        yield from (path for path in (ROOT / top).rglob("*") if path.suffix in TEXTS)


@cache
def product() -> list[tuple[str, ast.Module]]:
    """Path and syntax tree of every module of the product."""
    paths = sorted(path for top in ("services", "shared") for path in (ROOT / top).rglob("*.py"))
    return [(path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in texts()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if FORBIDDEN[what].search(line)
    ]

    assert found == []


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("an issue's number", "see issue 7"),
        ("an issue's number", "Pull request #12"),
        ("a path of one machine", "open /home/ada/notes"),
        ("a registry's host", "--index-url x"),
    ],
)
def test_a_forbidden_line_is_noticed(what: str, line: str) -> None:
    assert FORBIDDEN[what].search(line)


def test_functions_are_short() -> None:
    lines = {
        f"{path}:{node.name}": node.end_lineno - node.lineno + 1
        for path, tree in product()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    }

    assert [name for name, count in lines.items() if count > LONGEST] == []


def test_docstrings_begin_with_a_short_line() -> None:
    long = {
        f"{path}:{node.body[0].lineno}": len(text.splitlines()[0])
        for path, tree in product()
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and (text := ast.get_docstring(node))
    }

    assert {place: length for place, length in long.items() if length > LONGEST_FIRST_LINE} == {}


def test_no_class_name_means_two_things() -> None:
    places: dict[str, set[str]] = defaultdict(set)
    for path, tree in product():
        if not path.startswith("services/sandbox/"):
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef) and node.name not in EXEMPT:
                    places[node.name].add(path)
    ambiguous = {name: sorted(paths) for name, paths in places.items() if len(paths) > 1}

    assert ambiguous == {}
