"""Heartland's JSON: money is a bare number there, so numbers are read and written as Decimal, never as float."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")


def loads(body: bytes) -> Any:
    """The JSON in `body`, decimals exact. Raises ValueError for what is not JSON, NaN and Infinity among it."""
    return json.loads(body, parse_float=Decimal, parse_constant=_no_number)


def dumps(value: object) -> bytes:
    """`value` as JSON; each Decimal as a number, digit by digit. Raises TypeError for what JSON cannot express."""
    return orjson.dumps(value, default=_numeral)


def normalized(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record under its REST names: `active?` and `publicId` become `active` and `public_id`; `custom` stays."""
    return {name if name.isidentifier() and name.islower() else _snake(name): value for name, value in record.items()}


def _snake(name: str) -> str:
    return _HUMP.sub(r"_\1", name.rstrip("?")).lower()


def _numeral(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(format(value, "f").encode())
    raise TypeError(f"not for JSON: {value!r}")


def _no_number(literal: str) -> None:
    raise ValueError(f"{literal} is not a number")
