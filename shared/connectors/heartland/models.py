"""The base of the models of Heartland's records.

It accepts all the field names that its REST answers use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from shared.canonical.money import exact
from shared.connectors.heartland.decimal_json import normalized
from shared.errors import RetryLater


def _amount(value: object) -> Decimal | None:
    return None if value is None else exact(value)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _custom(value: object) -> dict[str, str]:
    return {str(k): _text(v) for k, v in value.items()} if isinstance(value, Mapping) else {}


def _amount_or_zero(value: object) -> Decimal:
    """A text line has null amounts."""
    return Decimal(0) if value is None else exact(value)


Amount = Annotated[Decimal, BeforeValidator(_amount_or_zero)]
MaybeAmount = Annotated[Decimal | None, BeforeValidator(_amount)]
Text = Annotated[str, BeforeValidator(_text)]
Custom = Annotated[Mapping[str, str], BeforeValidator(_custom)]


class Model(BaseModel):
    """A record as read: immutable; accepts `x?` names, camelCase and money as text."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        """Raises pydantic.ValidationError (a ValueError) if a required field is missing or invalid."""
        return cls.model_validate(normalized(record))


M = TypeVar("M", bound=Model)


def read_one(model: type[M], row: Mapping[str, Any]) -> M:
    """The record as this model.

    Raises RetryLater if it is invalid: then its key is parked, and others go on.
    """
    try:
        return model.read(row)
    except ValueError as error:
        raise RetryLater(f"Heartland answered a {model.__name__} that cannot be read") from error


def read_all(model: type[M], rows: Iterable[Mapping[str, Any]]) -> list[M]:
    """The records as this model. Raises RetryLater."""
    return [read_one(model, row) for row in rows]
