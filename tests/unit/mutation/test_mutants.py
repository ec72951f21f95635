from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from tests.mutation.cores import CORES
from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import mutants


def names(source: str) -> list[str]:
    return [mutant.name for mutant in mutants(dedent(source))]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", ["a < b -> pass", "a < b -> a <= b", "a < b -> a >= b"]),
        ("x = a and not b", ["a and (not b) -> a or not b", "not b -> b"]),
        ("x = a + 2", ["a + 2 -> a - 2", "2 -> 3", "2 -> 1"]),
        ("x += 1", ["x += 1 -> x -= 1", "x += 1 -> pass", "1 -> 2", "1 -> 0"]),
        ("x = True", ["True -> False"]),
        ("x = 'a'", ["'a' -> 'XXa'"]),
        ("x.y = z", ["x.y = z -> pass"]),
        ("if a: b()", ["if a: b() -> if not a: b()", "b() -> pass"]),
        ("while a: break", ["while a: break -> while not a: break", "break -> continue"]),
        ("x = min(a)", ["min(a) -> max(a)"]),
        ("raise Later('in a while', 5)", ["raise Later('in a while', 5) -> pass", "5 -> 6", "5 -> 4"]),
        ("def f(): return a", ["return a -> return None"]),
    ],
)
def test_each_kind_of_code_is_broken_in_its_ways(source: str, expected: list[str]) -> None:
    assert [name.partition(": ")[2] for name in names(source)] == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""Words."""',
        "def f(x: int = None) -> Literal['a']: ...",
        "@dataclass(frozen=True)\nclass A: ...",
        "log.warning('not now', 1)",
        "return_ = f'so it is'",
        "class Kind(Enum): RUN = 'run'",
        "STATEMENT = 'select a, b, c from somewhere where a = 1 and b = 2'",
        "R = TypeVar('R')",
        "State = Literal['new', 'done']",
        "__slots__ = ('a', 'b')",
        "def f(): return None",
    ],
)
def test_words_and_declarations_are_left_alone(source: str) -> None:
    assert names(source) == []


def test_a_mutant_differs_in_that_one_place_and_the_others_do_not_see_it() -> None:
    source = "def f(a):\n    if a > 1:\n        return a + 1\n    return a - 1\n"
    made = mutants(source)

    assert len({ast.unparse(mutant.tree) for mutant in made}) == len(made)
    assert ast.unparse(made[0].tree) == ast.unparse(ast.parse(source.replace("a > 1", "a >= 1")))
    for mutant in made:
        compile(mutant.tree, "f.py", "exec")


def test_where_and_what_name_a_mutant_and_not_its_line() -> None:
    source = "class A:\n    def f(self):\n        return g(1, 1)\n"

    assert names(source) == names("\n\n" + source)
    assert "A.f: 1 -> 2" in names(source)
    assert "A.f: 1 -> 2 #2" in names(source)


def test_what_is_called_equivalent_is_a_mutant_of_a_core_and_has_a_reason() -> None:
    sources = {core.path: core.source() for core in CORES}
    for path, known in EQUIVALENT.items():
        made = {mutant.name for mutant in mutants(sources[path])}
        assert set(known) <= made
        assert all(reason.endswith(".") for reason in known.values())
