"""What the modules of a folder bring along."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from shared.runtime.members import members


class Word(str):
    """What is looked for."""


def package(folder: Path, name: str, **modules: str) -> ModuleType:
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(f"from {__name__} import Word\n{text}\n", encoding="utf-8")
    made = ModuleType(name)
    made.__path__ = [str(folder)]
    sys.modules[name] = made
    return made


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return "folder_of_words"


def test_each_module_brings_one_by_the_order_of_their_names(tmp_path: Path, name: str) -> None:
    there = package(tmp_path, name, b="X = Word('second')", a="X = Word('first')\nOTHER = 1")

    assert members(there, Word) == ["first", "second"]


@pytest.mark.parametrize("text", ["", "X = Word('one')\nY = Word('two')"])
def test_a_module_that_brings_none_or_several_is_an_error(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(LookupError, match=r"folder_of_words\.a defines . of Word instead of one"):
        members(package(tmp_path, name, a=text), Word)
