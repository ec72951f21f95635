"""Runs the tests of one mutant in a forked process, which imports only our own code again."""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import multiprocessing
import os
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import CodeType
from typing import Any

OURS = ("shared", "services", "deploy", "tests")
_FORK = multiprocessing.get_context("fork")
_LIST = "import sys, pytest; pytest.main(['-q', '--collect-only', *sys.argv[1:]]); print('\\n>', *sys.modules)"


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module with the mutant's syntax tree instead of its source file."""

    def __init__(self, module: str, path: str, tree: ast.Module) -> None:
        self._module, self._path, self._tree = module, path, tree

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name != self._module:
            return None
        return importlib.machinery.ModuleSpec(name, _Loader(name, self._path, self._tree), origin=self._path)


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, tree: ast.Module) -> None:
        super().__init__(name, path)
        self._tree = tree

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._tree, self.path, "exec")


def prepare(tests: Sequence[str]) -> None:
    """Imports the third-party packages that these tests need, once for all trials."""
    done = subprocess.run([sys.executable, "-c", _LIST, *tests], capture_output=True, text=True, check=True)
    names = done.stdout.rpartition("\n>")[2].split()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            if name.partition(".")[0] not in (*OURS, "__main__"):
                try:
                    importlib.import_module(name)
                except ImportError:
                    continue


def trial(module: str, tree: ast.Module | None, tests: Sequence[str]) -> multiprocessing.Process:
    """Starts a process that exits with 0 if the tests pass. Without a tree, the module is unchanged."""
    process = _FORK.Process(target=_run, args=(module, tree, tests), daemon=True)
    process.start()
    return process  # type: ignore[return-value]


def _run(module: str, tree: ast.Module | None, tests: Sequence[str]) -> None:
    os.setpgid(0, 0)
    quiet = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(quiet, descriptor)
    for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[name]
    if tree is not None:
        sys.meta_path.insert(0, _Finder(module, str(Path(*module.split(".")).with_suffix(".py")), tree))
    os._exit(_tested(tests))


def _tested(tests: Sequence[str]) -> int:
    import hypothesis
    import pytest

    # The same examples for every mutant, and no shrinking of failing ones.
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("mutation", derandomize=True, database=None, deadline=None, phases=phases)
    hypothesis.settings.load_profile("mutation")
    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--assert=plain", *tests]))
