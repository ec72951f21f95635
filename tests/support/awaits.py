"""Every await of some modules, by function, and which of them were suspended when a call was made."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import CodeType, FrameType, ModuleType

_COMPREHENSION = re.compile(r"\.<locals>\.<(listcomp|setcomp|dictcomp|genexpr)>")


@dataclass(frozen=True, slots=True)
class Await:
    """One await: the function it stands in, and its first and last line."""

    function: str
    first: int
    last: int


class Awaits:
    """Collects which awaits of `modules` some calls passed through."""

    def __init__(self, *modules: ModuleType) -> None:
        self._all = [one for module in modules for one in _awaits(module)]
        self._names = {code: f"{module.__name__}:{_function(code)}" for module in modules for code in _codes(module)}
        self._seen: set[tuple[str, int]] = set()

    def note(self, frame: FrameType | None) -> None:
        """Notes every await on the stack that ends in `frame`."""
        while frame is not None:
            name = self._names.get(frame.f_code)
            if name is not None:
                self._seen.add((name, frame.f_lineno))
            frame = frame.f_back

    def missed(self) -> list[str]:
        """The awaits that no call passed through."""
        lines: dict[str, set[int]] = {}
        for name, line in self._seen:
            lines.setdefault(name, set()).add(line)
        return [
            f"{one.function} (line {one.first})"
            for one in self._all
            if not any(one.first <= line <= one.last for line in lines.get(one.function, ()))
        ]


def _codes(module: ModuleType) -> Iterator[CodeType]:
    """The code of every function and method of the module, inner functions among them."""
    compiled = compile(inspect.getsource(module), inspect.getsourcefile(module) or "", "exec", dont_inherit=True)
    wanted = {(code.co_qualname, code.co_firstlineno) for code in _within([compiled])}
    for value in vars(module).values():
        functions = vars(value).values() if inspect.isclass(value) else (value,)
        for function in functions:
            inner = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
            if inner is not None:
                yield from (c for c in _within([inner]) if (c.co_qualname, c.co_firstlineno) in wanted)


def _function(code: CodeType) -> str:
    """The function as it is written: a comprehension, which is code of its own, belongs to the one around it."""
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
            yield Await(function, child.lineno, child.end_lineno or child.lineno)
        elif isinstance(child, ast.comprehension) and child.is_async:
            yield Await(function, child.iter.lineno, child.iter.end_lineno or child.iter.lineno)
        yield from _in_node(child, module, inner)
