"""Finds every await that some functions can reach, and records which of them a test has passed through.

Reachability is decided by name: a function reaches every function, method and class whose name occurs in its code. This
finds too many functions rather than too few.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from types import CodeType, CoroutineType, FrameType, FunctionType, ModuleType
from typing import Any

_COMPREHENSION = re.compile(r"\.<locals>\.<(listcomp|setcomp|dictcomp|genexpr)>")


@dataclass(frozen=True, slots=True)
class Await:
    """One await: the function that contains it, its code, and its first and last line."""

    function: str
    code: str
    first: int
    last: int


class Awaits:
    """Records which of the awaits that `entries` can reach were passed through.

    Only functions in `packages` are followed.
    """

    def __init__(self, *entries: Callable[..., Any], packages: tuple[str, ...]) -> None:
        modules = _imported({entry.__module__ for entry in entries}, packages)
        reached = {_qualified(function) for function in _reachable(entries, modules)}
        self._all = [one for module in modules for one in _awaits(module) if _owner(one.function) in reached]
        self._names = {code: f"{module.__name__}:{_function(code)}" for module in modules for code in _codes(module)}
        self._seen: set[tuple[str, int]] = set()

    @property
    def functions(self) -> set[str]:
        """The functions that contain the awaits."""
        return {one.function for one in self._all}

    def note(self, frame: FrameType | None) -> None:
        """Records every await on the stack of `frame`, and those at which other tasks are suspended."""
        while frame is not None:
            self._note(frame)
            frame = frame.f_back
        for task in asyncio.all_tasks():
            for suspended in _suspended(task.get_coro()):
                self._note(suspended)

    def _note(self, frame: FrameType) -> None:
        name = self._names.get(frame.f_code)
        if name is not None:
            self._seen.add((name, frame.f_lineno))

    def missed(self) -> list[str]:
        """The awaits that no call passed through, each as `module:function: await code`."""
        lines: dict[str, set[int]] = {}
        for name, line in self._seen:
            lines.setdefault(name, set()).add(line)
        return [
            f"{one.function}: {one.code}"
            for one in self._all
            if not any(one.first <= line <= one.last for line in lines.get(one.function, ()))
        ]


def _suspended(coroutine: Any) -> Iterator[FrameType]:
    while isinstance(coroutine, CoroutineType):
        if coroutine.cr_frame is not None:
            yield coroutine.cr_frame
        coroutine = coroutine.cr_await


# Reachable functions


def _imported(names: Iterable[str], packages: tuple[str, ...]) -> list[ModuleType]:
    """These modules and, recursively, what they import from the packages."""
    found: dict[str, ModuleType] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found or not name.startswith(packages) or not _is_module(name):
            continue
        found[name] = import_module(name)
        for node in ast.walk(ast.parse(inspect.getsource(found[name]) or "")):
            if isinstance(node, ast.ImportFrom) and node.module:
                waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return list(found.values())


def _is_module(name: str) -> bool:
    try:
        module = import_module(name)
    except ImportError:
        return False
    return bool(getattr(module, "__file__", None)) and module.__name__ == name and not hasattr(module, "__path__")


def _reachable(entries: Iterable[Callable[..., Any]], modules: Iterable[ModuleType]) -> set[FunctionType]:
    by_name: dict[str, list[FunctionType]] = {}
    for module in modules:
        for name, function in _named(module):
            by_name.setdefault(name, []).append(function)
    found: set[FunctionType] = set()
    waiting = [entry for entry in entries if isinstance(entry, FunctionType)]
    while waiting:
        function = waiting.pop()
        if function in found:
            continue
        found.add(function)
        for name in _mentioned(function):
            waiting += by_name.get(name, [])
            waiting += _listed(function.__globals__.get(name))
    return found


def _named(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    """The functions of a module by the name that reaches them; a class also reaches its special methods."""
    for value in vars(module).values():
        if inspect.isclass(value) and value.__module__ == module.__name__:
            for name, member in vars(value).items():
                function = inspect.unwrap(getattr(member, "fget", None) or getattr(member, "__func__", member))
                if isinstance(function, FunctionType):
                    yield name, function
                    if name.startswith("__"):
                        yield value.__name__, function
        function = inspect.unwrap(value) if callable(value) else value
        if isinstance(function, FunctionType) and function.__module__ == module.__name__:
            yield function.__name__, function


def _mentioned(function: FunctionType) -> set[str]:
    return {name for code in _within([function.__code__]) for name in (*code.co_names, *code.co_freevars)}


def _listed(value: Any) -> list[FunctionType]:
    """The functions in a table."""
    values = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [one for one in values if isinstance(one, FunctionType)]


def _qualified(function: FunctionType) -> str:
    return f"{function.__module__}:{function.__qualname__}"


def _owner(name: str) -> str:
    """The top-level function or method that contains an inner function."""
    return name.partition(".<locals>")[0]


# Awaits in functions


def _codes(module: ModuleType) -> Iterator[CodeType]:
    """The code of every function and method of the module, including inner functions."""
    compiled = compile(inspect.getsource(module), inspect.getsourcefile(module) or "", "exec", dont_inherit=True)
    wanted = {(code.co_qualname, code.co_firstlineno) for code in _within([compiled])}
    for value in vars(module).values():
        functions = vars(value).values() if inspect.isclass(value) else (value,)
        for function in functions:
            inner = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
            if inner is not None:
                yield from (c for c in _within([inner]) if (c.co_qualname, c.co_firstlineno) in wanted)


def _function(code: CodeType) -> str:
    """The function's name; a comprehension, which has its own code object, belongs to the enclosing function."""
    return _COMPREHENSION.sub("", code.co_qualname)


def _within(codes: Iterable[CodeType]) -> Iterator[CodeType]:
    for code in codes:
        yield code
        yield from _within(one for one in code.co_consts if isinstance(one, CodeType))


def _awaits(module: ModuleType) -> Iterator[Await]:
    yield from _in_node(ast.parse(inspect.getsource(module)), module.__name__, "")


def _in_node(node: ast.AST, module: str, qualname: str) -> Iterator[Await]:
    for child in ast.iter_child_nodes(node):
        inner = qualname
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            inner = f"{qualname}.{child.name}" if qualname else child.name
            inner += "" if isinstance(child, ast.ClassDef) else ".<locals>"
        function = f"{module}:{qualname.removesuffix('.<locals>')}"
        if isinstance(child, ast.Await):
            yield Await(function, ast.unparse(child), child.lineno, child.end_lineno or child.lineno)
        elif isinstance(child, ast.comprehension) and child.is_async:
            yield Await(function, ast.unparse(child), child.iter.lineno, child.iter.end_lineno or child.iter.lineno)
        yield from _in_node(child, module, inner)
