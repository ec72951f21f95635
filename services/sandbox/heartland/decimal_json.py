"""JSON with exact decimals: numbers are parsed to Decimal and written without conversion to float."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import orjson

from services.sandbox.heartland.rejection import bad_request

Number = int | Decimal


def load(body: bytes) -> dict[str, Any]:
    """The object in `body`; an empty body is an empty object. Raises Rejection for anything else."""
    if not body.strip():
        return {}
    try:
        loaded = json.loads(body, parse_float=Decimal, parse_int=_whole, parse_constant=_constant)
    except (ValueError, RecursionError):
        raise bad_request("The body is not JSON") from None
    if not isinstance(loaded, dict):
        raise bad_request("The body is not a JSON object")
    return loaded


def dump(body: object) -> bytes:
    return orjson.dumps(body, default=exact)


def exact(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f").encode())
    raise TypeError(f"not JSON: {type(value).__name__}")


def is_number(value: object) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def cents(value: Decimal) -> Decimal:
    """Rounds half up to two decimals."""
    return value.quantize(Decimal("0.01"), rounding="ROUND_HALF_UP")


def _whole(numeral: str) -> Number:
    # Integers beyond 64 bits are kept exact as Decimal.
    return int(numeral) if len(numeral) < 19 else Decimal(numeral)


def _constant(name: str) -> None:
    raise ValueError(name)
