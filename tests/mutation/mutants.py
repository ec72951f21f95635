"""Generates the mutants of a module: each changes one node of its syntax tree. Pure.

Not mutated are parts that unit tests do not check: annotations, decorators, docstrings, error and log texts, and long
strings (SQL, which is tested against a real database).
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

_LONGEST_TEXT = 40

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_OPPOSITES = {"min": "max", "max": "min", "any": "all", "all": "any", "append": "appendleft", "appendleft": "append"}
_LOGS = {"debug", "info", "warning", "error", "exception"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """`name` is location and change without a line number, so that it is stable when lines move."""

    name: str
    line: int
    tree: ast.Module


@dataclass(frozen=True, slots=True)
class _Change:
    where: str
    old: ast.AST
    new: ast.AST


def mutants(source: str) -> list[Mutant]:
    """All mutants of a module, in source order."""
    tree = ast.parse(source)
    seen: Counter[str] = Counter()
    made = []
    for change in _changes(tree, ""):
        text = f"{change.where}: {_shown(change.old)} -> {_shown(change.new)}"
        seen[text] += 1
        name = text if seen[text] == 1 else f"{text} #{seen[text]}"
        made.append(Mutant(name, getattr(change.old, "lineno", 0), _applied(tree, change)))
    return made


def _shown(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())[:120]


def _applied(tree: ast.Module, change: _Change) -> ast.Module:
    # The memo makes the deep copy use the new node in place of the old one.
    return copy.deepcopy(tree, {id(change.old): change.new})


def _changes(node: ast.AST, where: str) -> Iterator[_Change]:
    """The changes of a node, then those of its children."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        where = f"{where}.{node.name}" if where else node.name
    for new in _replacements(node):
        located = ast.fix_missing_locations(ast.copy_location(new, node))
        yield _Change(where or "module", node, located)
    for child in _children(node):
        yield from _changes(child, where)


def _children(node: ast.AST) -> list[ast.AST]:  # noqa: PLR0911 - one return per kind of node
    match node:
        case ast.ClassDef() if any(isinstance(base, ast.Name) and base.id == "Enum" for base in node.bases):
            return []
        case ast.Module() | ast.ClassDef():
            return _without_docstring(node.body)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            defaults = [default for default in (*node.args.defaults, *node.args.kw_defaults) if default is not None]
            return [*defaults, *_without_docstring(node.body)]
        case ast.AnnAssign():
            return [node.value] if node.value is not None else []
        case ast.Assign() if any(isinstance(target, ast.Name) and target.id == "__slots__" for target in node.targets):
            return []
        case ast.Raise():
            return _arguments_without_words(node.exc)
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name in (*_LOGS, "TypeVar"):
            return []
        case ast.Subscript(value=ast.Name(id="Literal")):
            return []
        case ast.JoinedStr():
            return [part for part in node.values if isinstance(part, ast.FormattedValue)]
        case ast.Compare():
            return [node.left, *node.comparators]
        case ast.Import() | ast.ImportFrom() | ast.Assert():
            return []
        case _:
            return list(ast.iter_child_nodes(node))


def _without_docstring(body: list[ast.stmt]) -> list[ast.AST]:
    return [stmt for stmt in body if not (isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Constant))]


def _arguments_without_words(error: ast.expr | None) -> list[ast.AST]:
    """An error's arguments except its text."""
    if not isinstance(error, ast.Call):
        return []
    arguments = [*error.args, *(keyword.value for keyword in error.keywords)]
    return [one for one in arguments if not _is_text(one)]


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _replacements(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=[op, *rest]):
            for other in _COMPARISONS[type(op)]:
                yield ast.Compare(node.left, [other(), *rest], node.comparators)
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.UnaryOp(op=ast.USub()):
            yield node.operand
        case ast.BinOp() if type(node.op) in _ARITHMETIC:
            yield ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right)
        case ast.AugAssign() if type(node.op) in _ARITHMETIC:
            yield ast.AugAssign(node.target, _ARITHMETIC[type(node.op)](), node.value)
            yield ast.Pass()
        case ast.Constant():
            yield from _constants(node.value)
        case ast.Call(func=ast.Name(id=name)) if name in _OPPOSITES:
            yield ast.Call(ast.Name(_OPPOSITES[name], ast.Load()), node.args, node.keywords)
        case ast.Call(func=ast.Attribute(attr=name)) if name in _OPPOSITES:
            func = ast.Attribute(node.func.value, _OPPOSITES[name], ast.Load())
            yield ast.Call(func, node.args, node.keywords)
        case ast.If() | ast.While() | ast.IfExp():
            yield from _conditions(node)
        case _:
            yield from _statements(node)


def _conditions(node: ast.If | ast.While | ast.IfExp) -> Iterator[ast.AST]:
    """Negates a condition, unless it is a comparison or a `not`, which have mutants of their own."""
    if isinstance(node.test, ast.Compare) or (isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)):
        return
    yield type(node)(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)  # type: ignore[arg-type]


def _constants(value: object) -> Iterator[ast.AST]:
    match value:
        case bool():
            yield ast.Constant(not value)
        case int():
            yield ast.Constant(value + 1)
            if value > 0:
                yield ast.Constant(value - 1)
        case float():
            yield ast.Constant(value + 1.0)
        case str() if 0 < len(value) <= _LONGEST_TEXT and "\n" not in value:
            yield ast.Constant(f"XX{value}")


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Expr(value=ast.Constant()):
            return
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name))) if name in _LOGS:
            return
        case ast.Expr(value=ast.Yield() | ast.YieldFrom()):
            return
        case ast.Expr() | ast.Delete() | ast.Raise():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
        case ast.AnnAssign(target=ast.Attribute()) if node.value is not None and not _is_none_or_false(node.value):
            yield ast.Assign([node.target], ast.Constant(None))
        case ast.Return(value=ast.expr()) if not _is_none_or_false(node.value):
            yield ast.Return(ast.Constant(None))
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()


def _is_none_or_false(node: ast.AST) -> bool:
    """Whether replacing the value by None would (nearly) be an equivalent mutant."""
    return isinstance(node, ast.Constant) and node.value in (None, False)
