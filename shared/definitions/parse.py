"""Reads a connection's settings strictly: an unknown or mistyped key is refused with the nearest right name. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from shared.errors import Misconfigured


def check_settings(settings: Mapping[str, Any], models: Iterable[type[BaseModel]]) -> None:
    """Raises Misconfigured, in one line that names each unknown key and each value of a wrong type."""
    models = tuple(models)
    known = sorted({name for model in models for name in model.model_fields})
    faults = [unknown_key(key, known) for key in settings if key not in known]
    faults += [fault for model in models for fault in _wrong_values(settings, model)]
    if faults:
        raise Misconfigured("connection settings: " + "; ".join(faults))


def unknown_key(key: str, known: Iterable[str]) -> str:
    """The sentence that refuses a key, with the nearest known name if one is near."""
    nearest = get_close_matches(key, list(known), n=1)
    return f'unknown key "{key}"' + (f', did you mean "{nearest[0]}"?' if nearest else "")


def _wrong_values(settings: Mapping[str, Any], model: type[BaseModel]) -> list[str]:
    try:
        model.model_validate({name: settings[name] for name in model.model_fields if name in settings})
    except ValidationError as error:
        return [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    return []
