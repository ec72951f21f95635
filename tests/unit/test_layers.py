"""Imports point downwards only, services never import each other, and there are no cycles."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.entities.table import ENTITIES

ROOT = Path(__file__).parents[2]

# A module may import from its own layer and from those below it.
LAYERS = [
    ("services",),
    ("deploy",),
    ("shared.operations",),
    ("shared.entities",),
    ("shared.sync",),
    ("shared.mapping",),
    ("shared.connectors",),
    ("shared.messaging",),
    ("shared.limits",),
    ("shared.state",),
    ("shared.definitions",),
    ("shared.runtime",),
    ("shared.canonical", "shared.errors"),
]
OURS = ("services", "shared", "deploy", "tests")
# The command line and the tests are the only ones that may bring up the local engine.
ENGINE_USERS = ("services.cli", "deploy", "tests")
# A simulation that shares code with the code under test proves nothing.
SANDBOX = "services.sandbox"


def modules() -> list[Path]:
    return sorted(path for top in ("services", "shared", "deploy") for path in (ROOT / top).rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from _from(node)


def _from(node: ast.ImportFrom) -> Iterator[str]:
    module = node.module or ""
    for alias in node.names:
        inner = ROOT / f"{module}.{alias.name}".replace(".", "/")
        is_module = inner.with_suffix(".py").exists() or inner.is_dir()
        yield f"{module}.{alias.name}" if is_module else module


def layer(name: str) -> int | None:
    for depth, prefixes in enumerate(LAYERS):
        if any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes):
            return depth
    return None


def service(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if parts[0] == "services" and len(parts) > 1 else None


def upward(importer: str, imported: str) -> bool:
    here, there = layer(importer), layer(imported)
    return here is not None and there is not None and there < here


def sideways(importer: str, imported: str) -> bool:
    return None not in (service(importer), service(imported)) and service(importer) != service(imported)


def shares_with_sandbox(importer: str, imported: str) -> bool:
    return importer.startswith(SANDBOX) and not imported.startswith(SANDBOX) and imported != "services"


RULES = {
    "the product imports tests": lambda _, imported: imported.startswith("tests"),
    "services import each other": sideways,
    "the sandbox shares code with what it tests": shares_with_sandbox,
    "a service knows how it is run": lambda importer, imported: (
        imported.startswith("deploy") and not importer.startswith(ENGINE_USERS)
    ),
    "an upward import": upward,
}


def wrong(importer: str, imported: str) -> list[str]:
    """Why `importer` must not import `imported`; empty when it may."""
    if imported.split(".", maxsplit=1)[0] not in OURS:
        return []
    return [why for why, breaks in RULES.items() if breaks(importer, imported)]


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_point_downwards(path: Path) -> None:
    found = [f"{imported}: {why}" for imported in imports(path) if (why := wrong(name_of(path), imported))]

    assert not found


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("shared.messaging.consumer", "shared.connectors.shopify.client"),
        ("shared.canonical.record", "shared.runtime.clock"),
        ("services.ingress.app", "services.journal.service"),
        ("services.sandbox.app", "shared.errors"),
        ("services.ingress.app", "deploy.local.broker"),
        ("shared.state.links", "services.ingress"),
        ("shared.state.links", "tests.support.engine"),
    ],
)
def test_a_forbidden_import_is_noticed(importer: str, imported: str) -> None:
    assert wrong(importer, imported)


def entity(name: str) -> str | None:
    """The entity that a module belongs to."""
    parts = name.split(".")
    return parts[2] if name.startswith("shared.entities.") and parts[2] in {spec.name for spec in ENTITIES} else None


def test_entities_use_only_those_that_they_depend_on() -> None:
    allowed = {spec.name: {spec.name, *spec.depends_on} for spec in ENTITIES}
    used = [(name_of(path), imported) for path in modules() if entity(name_of(path)) for imported in imports(path)]

    assert [pair for pair in used if entity(pair[1]) and entity(pair[1]) not in allowed[str(entity(pair[0]))]] == []


def test_no_cycles() -> None:
    names = {name_of(path) for path in modules()}
    graph = {name_of(path): sorted(set(imports(path)) & names) for path in modules()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for imported in graph[name]:
                visit(imported, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


FILLED_IN = " x "
SQL = re.compile(r"\b(select\s.+\sfrom|insert\s+into|update\s+\w+\s+set|delete\s+from)\b", re.IGNORECASE | re.DOTALL)


def statements(source: str) -> list[str]:
    """Texts of a module that are SQL; docstrings are prose."""
    tree = ast.parse(source)
    prose = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    texts = [joined(node) for node in ast.walk(tree) if id(node) not in prose]
    return [text for text in texts if text and SQL.search(text)]


def joined(node: ast.AST) -> str | None:
    """The text of a string expression: constants, also joined by `+`, f-strings, `%` and the like of `.join`.

    What is not constant becomes a word, as a name that is put into SQL would be. None for other expressions.
    """
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(joined(part) or FILLED_IN for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            texts = [joined(left), joined(right)]
            return None if texts == [None, None] else "".join(FILLED_IN if text is None else text for text in texts)
        case ast.BinOp(left=left, op=ast.Mod()):
            return joined(left)
        case ast.Call(
            func=ast.Attribute(value=separator, attr="join"), args=[ast.List(elts=parts) | ast.Tuple(elts=parts)]
        ):
            return (joined(separator) or "").join(joined(part) or FILLED_IN for part in parts)
    return None


def test_all_sql_stands_in_state() -> None:
    outside = {
        name_of(path): found
        for path in modules()
        if not name_of(path).startswith(("shared.state", "deploy."))
        and (found := statements(path.read_text(encoding="utf-8")))
    }

    assert outside == {}


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("fetch('select a from b where c = $1')", id="one constant"),
        pytest.param("fetch('select a ' 'from b')", id="constants side by side"),
        pytest.param("fetch('select a ' + 'from b')", id="added constants"),
        pytest.param("fetch('insert ' + 'into ' + table)", id="added variable"),
        pytest.param("fetch(f'select {a} ' + f'from {b}')", id="added f-strings"),
        pytest.param("fetch(f'select {columns} from {table}')", id="f-string"),
        pytest.param("fetch(f'update {table} set a = 1')", id="f-string with its table"),
        pytest.param("fetch('select %s ' % a + 'from b')", id="percent"),
        pytest.param("fetch(' '.join(['select a', 'from b']))", id="join"),
    ],
)
def test_sql_is_recognised(source: str) -> None:
    assert statements(source)


def test_prose_is_not_taken_for_sql() -> None:
    assert statements('"""Select some from many."""\nname = f"selected {a}" + " of " + b') == []


def test_no_command_starts_another_program() -> None:
    """Except the operator's editor, for a dead letter's body."""
    for path in (ROOT / "services" / "cli").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "execve" not in text
        assert "create_subprocess" not in text
        assert path.name == "dlq.py" or "subprocess" not in text
