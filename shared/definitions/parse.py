"""Reads a connection's settings strictly.

An unknown or mistyped key is refused with the nearest right name. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shared.definitions.paths import sections, setting_paths
from shared.errors import Misconfigured

M = TypeVar("M", bound=BaseModel)


def check_settings(settings: Mapping[str, Any], model: type[BaseModel]) -> None:
    """Raises Misconfigured, in one line that names each unknown key and each value of a wrong type."""
    if faults := list(_faults(settings, model)):
        raise Misconfigured("connection settings: " + "; ".join(faults))


def check_paths(paths: Iterable[str], model: type[BaseModel]) -> None:
    """Raises Misconfigured, in one line, for each dotted path that is neither a setting nor a section."""
    known = [*setting_paths(model), *sections(model)]
    if faults := [unknown_key(path, known) for path in paths if path not in known]:
        raise Misconfigured("connection settings: " + "; ".join(faults))


def read_section(settings: Mapping[str, Any], path: str, model: type[M]) -> M:
    """The section at this dotted path, with defaults for what is not set. Raises Misconfigured.

    Keys of sections within it, which other models declare, are left out.
    """
    found: Any = settings
    for name in path.split("."):
        found = found.get(name, {}) if isinstance(found, Mapping) else found
    own = {key: found[key] for key in model.model_fields if key in found} if isinstance(found, Mapping) else found
    try:
        return model.model_validate(own)
    except ValidationError as error:
        faults = "; ".join(_sentence(fault["loc"], fault["msg"], (path,)) for fault in error.errors())
        raise Misconfigured(f"connection settings: {faults}") from None


def unknown_key(path: str, known: Iterable[str]) -> str:
    """The sentence that refuses a key, with the nearest known path if one is near.

    A right name in the wrong section is nearest; then a similar name in the same section, then anywhere.
    """
    known = sorted(known)
    nearest = _nearest(path, known)
    return f'unknown key "{path}"' + (f', did you mean "{nearest}"?' if nearest else "")


def _nearest(path: str, known: Sequence[str]) -> str:
    section, _, name = path.rpartition(".")
    by_name: dict[str, str] = {}
    for other in known:
        by_name.setdefault(other.rpartition(".")[2], other)
    siblings = {other.rpartition(".")[2]: other for other in known if other.rpartition(".")[0] == section}
    if name in by_name and name not in siblings:
        return by_name[name]
    for names in (siblings, by_name):
        for spelling in (name, name.lower()):
            if found := get_close_matches(spelling, list(names), n=1):
                return names[found[0]]
    return next(iter(get_close_matches(path, known, n=1)), "")


def _faults(settings: Mapping[str, Any], model: type[BaseModel]) -> Iterator[str]:
    try:
        model.model_validate(settings)
    except ValidationError as error:
        known = [*setting_paths(model), *sections(model)]
        for fault in error.errors():
            if fault["type"] == "extra_forbidden":
                yield unknown_key(".".join(map(str, fault["loc"])), known)
            else:
                yield _sentence(fault["loc"], fault["msg"])


def _sentence(where: Iterable[int | str], message: str, before: Iterable[str] = ()) -> str:
    return f"{'.'.join(map(str, (*before, *where)))}: {message}"
