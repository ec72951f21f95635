"""What joins by lying in a folder: a new entity is a new file there, and no list names it."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any


def found(package: str, what: str) -> tuple[Any, ...]:
    """The `what` of every module of a package, and of every package in it, by their names.

    Those with lives of their own come first, since others hang on them: what is shipped needs an order. Raises
    LookupError where a module has none.
    """
    folder = importlib.import_module(package)
    names = sorted(module.name for module in pkgutil.iter_modules(folder.__path__))
    ones = [_one(f"{package}.{name}", what) for name in names]
    return tuple(sorted(ones, key=lambda one: one.name != one.subject))


def _one(module: str, what: str) -> Any:
    one = getattr(importlib.import_module(module), what, None)
    if one is None:
        raise LookupError(f"{module} defines no {what}")
    return one
