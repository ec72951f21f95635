"""What the modules of a folder bring along: so that something joins by a file of its own, and no list is edited."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


def members(package: ModuleType, kind: type[T]) -> list[T]:
    """The one object of this kind that each module directly in `package` defines, by the modules' names.

    Raises LookupError for a module that defines none or several, and for a folder without modules.
    """
    found = []
    for name in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
        module = importlib.import_module(f"{package.__name__}.{name}")
        theirs = [value for value in vars(module).values() if isinstance(value, kind)]
        if len(theirs) != 1:
            raise LookupError(f"{module.__name__} defines {len(theirs)} of {kind.__name__} instead of one")
        found += theirs
    if not found:
        raise LookupError(f"{package.__name__} has no modules")
    return found
