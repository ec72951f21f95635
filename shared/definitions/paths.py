"""Dotted paths into a connection's settings (`heartland.order.order_prefix`).

List, read, set, compare. Pure.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from shared.errors import Misconfigured

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One setting before and after; both are effective values, defaults included."""

    path: str
    before: Any
    after: Any


def setting_fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every single setting of a model, by its dotted path."""
    for name, field in model.model_fields.items():
        inner = _section_of(field)
        if inner is None:
            yield prefix + name, field
        else:
            yield from setting_fields(inner, f"{prefix}{name}.")


def setting_paths(model: type[BaseModel]) -> Iterator[str]:
    yield from (path for path, _ in setting_fields(model))


def fixed_paths(model: type[BaseModel]) -> Iterator[str]:
    """Settings that must not change once records are written: those are found again by them."""
    for path, field in setting_fields(model):
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("fixed_once_written"):
            yield path


def written_changes(found: Iterable[Change], model: type[BaseModel]) -> list[Change]:
    """Those of the changes that can change what is written: all but settings that are marked as unable to."""
    idle = {
        path
        for path, field in setting_fields(model)
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("changes_what_is_written") is False
    }
    return [change for change in found if change.path not in idle]


def sections(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The paths of the sections of a model."""
    for name, field in model.model_fields.items():
        inner = _section_of(field)
        if inner is not None:
            yield prefix + name
            yield from sections(inner, f"{prefix}{name}.")


def value_at(settings: Mapping[str, Any], path: str) -> Any:
    """What is set at a path. Raises KeyError where nothing is."""
    found: Any = settings
    for name in path.split("."):
        if not isinstance(found, Mapping):
            raise KeyError(path)
        found = found[name]
    return found


def with_value(settings: Mapping[str, Any], path: str, value: Any) -> Json:
    """A copy with this value at the path. Raises Misconfigured where a part of the path holds a value."""
    result = copy.deepcopy(dict(settings))
    *names, last = path.split(".")
    section = result
    for name in names:
        section = section.setdefault(name, {})
        if not isinstance(section, dict):
            raise Misconfigured(f'connection settings: "{path}" leads through "{name}", which is no section')
    section[last] = value
    return result


def without_value(settings: Mapping[str, Any], path: str) -> Json:
    """A copy in which the path is not set, so that its default holds.

    Sections that become empty are left out.
    """
    name, _, rest = path.partition(".")
    result = copy.deepcopy(dict(settings))
    if not rest:
        result.pop(name, None)
    elif isinstance(result.get(name), dict):
        result[name] = without_value(result[name], rest)
        if not result[name]:
            del result[name]
    return result


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> Json:
    """`base` with what `over` sets; sections are merged, values replaced."""
    result = copy.deepcopy(dict(base))
    for name, value in over.items():
        inner = result.get(name)
        if isinstance(inner, dict) and isinstance(value, Mapping):
            result[name] = merged(inner, value)
        else:
            result[name] = copy.deepcopy(value)
    return result


def changes(before: Mapping[str, Any], after: Mapping[str, Any], model: type[BaseModel]) -> list[Change]:
    """Settings whose effective value differs, by path.

    Settings of `before` that are no longer known do not count.
    """
    defaults = model().model_dump(mode="json")
    pairs = [
        (path, _effective(before, path, defaults), _effective(after, path, defaults)) for path in setting_paths(model)
    ]
    return [Change(path, was, now) for path, was, now in pairs if was != now]


def removed_unknown(before: Mapping[str, Any], after: Mapping[str, Any], model: type[BaseModel]) -> list[Change]:
    """Stored keys that the model does not declare, and that `after` no longer holds.

    They never had an effect.
    """
    kept = set(unknown_paths(after, model))
    return [Change(path, value_at(before, path), None) for path in unknown_paths(before, model) if path not in kept]


def unknown_paths(settings: Mapping[str, Any], model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Stored paths that the model does not declare."""
    known = {*setting_paths(model), *sections(model)}
    for name, value in settings.items():
        path = prefix + name
        if path not in known:
            yield path
        elif isinstance(value, Mapping) and path not in set(setting_paths(model)):
            yield from unknown_paths(value, model, f"{path}.")


def _effective(settings: Mapping[str, Any], path: str, defaults: Mapping[str, Any]) -> Any:
    try:
        return value_at(settings, path)
    except KeyError:
        return value_at(defaults, path)


def _section_of(field: FieldInfo) -> type[BaseModel] | None:
    kinds = (field.annotation, *get_args(field.annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
