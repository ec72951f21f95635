"""JSON with exact decimals. Heartland sends money as JSON numbers, which must never become floats."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

_CAMEL_CASE = re.compile(r"(?<=[a-z0-9])([A-Z])")


def loads(body: bytes) -> Any:
    """The JSON in `body`, with exact decimals.

    Raises ValueError for invalid JSON, including NaN and Infinity.
    """
    return json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)


def dumps(value: object) -> bytes:
    """`value` as JSON, each Decimal as a number with all its digits.

    Raises TypeError for what JSON cannot express.
    """
    return orjson.dumps(value, default=_number)


def normalized(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with REST names: `active?` and `publicId` become `active` and `public_id`.

    Values stay as they are.
    """
    return {name if name.isidentifier() and name.islower() else _snake(name): value for name, value in record.items()}


def _snake(name: str) -> str:
    return _CAMEL_CASE.sub(r"_\1", name.rstrip("?")).lower()


def _number(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(format(value, "f").encode())
    raise TypeError(f"cannot be written as JSON: {value!r}")


def _refuse_constant(literal: str) -> None:
    raise ValueError(f"{literal} is not a number")
