"""GraphQL errors in Shopify's format: top-level errors with codes, and user errors of mutations."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from graphql import GraphQLError

from services.sandbox.shopify.money import Json

# Pattern of graphql-core's message -> Shopify's code; the first match applies.
CODES: Final = (
    (r"Cannot query field", "undefinedField"),
    (r"Unknown argument", "argumentNotAccepted"),
    (r"Unknown type|Unknown fragment", "undefinedType"),
    (r"Unknown directive", "undefinedDirective"),
    (r"Argument .* is required", "missingRequiredArguments"),
    (r"must have a selection|must not have a selection", "selectionMismatch"),
    (r"used in position expecting", "variableMismatch"),
    (r"is not defined", "variableNotDefined"),
    (r"is never used", "variableNotUsed"),
    (r"Fragment .* cannot be spread", "cannotSpreadFragment"),
    (r"conflict", "fieldConflict"),
    (r"Syntax Error", "BAD_REQUEST"),
)


class ApiError(GraphQLError):
    """A top-level error with one of Shopify's codes."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message, extensions={"code": code})


def static(errors: Iterable[GraphQLError]) -> list[Json]:
    """Errors of a document that failed validation."""
    return [_with_code(error) for error in errors]


def of_variables(errors: Iterable[GraphQLError]) -> list[Json]:
    return [{**_plain(error), "extensions": {"code": "INVALID_VARIABLE"}} for error in errors]


def of_execution(errors: Iterable[GraphQLError]) -> list[Json]:
    return [_plain(error) if error.extensions else _internal(error) for error in errors]


def _plain(error: GraphQLError) -> Json:
    return dict(error.formatted)


def _internal(error: GraphQLError) -> Json:
    # A failing resolver is a bug of the sandbox; unlike Shopify, it shows the cause.
    return {**_plain(error), "extensions": {"code": "INTERNAL_SERVER_ERROR", "cause": repr(error.original_error)}}


def _with_code(error: GraphQLError) -> Json:
    code = next((code for pattern, code in CODES if re.search(pattern, error.message)), "BAD_REQUEST")
    return {**_plain(error), "extensions": {"code": code}}


def user_error(message: str, *field: str, **more: Any) -> Json:
    """A user error in a mutation's payload; `more` are extra fields of typed errors."""
    return {"field": list(field) or None, "message": message, **more}
