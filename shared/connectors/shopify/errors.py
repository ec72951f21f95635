"""Errors of Shopify that callers handle, besides those of `shared.errors`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.errors import Rejected, RetryLater


class QueryTooLarge(RetryLater):
    """The query exceeds the maximum cost, or its response the maximum size: retry with fewer units."""


class UserErrors(Rejected):
    """A mutation was refused by its userErrors; nothing of it was applied.

    `errors` are Shopify's own: `field` (a path), `message`, and `code` where the mutation has typed errors.
    """

    def __init__(self, operation: str, errors: Sequence[Mapping[str, Any]]) -> None:
        messages = "; ".join(str(error.get("message") or error.get("code") or error) for error in errors)
        super().__init__(f"Shopify refused {operation}: {messages}")
        self.errors = tuple(dict(error) for error in errors)

    @property
    def codes(self) -> frozenset[str]:
        return frozenset(str(error["code"]) for error in self.errors if error.get("code"))


def accepted(operation: str, payload: Mapping[str, Any] | None, errors_field: str = "userErrors") -> Mapping[str, Any]:
    """The mutation's `payload`. Raises UserErrors if it was not applied."""
    if payload is None:
        raise UserErrors(operation, [{"message": "it returned nothing"}])
    if payload.get(errors_field):
        raise UserErrors(operation, payload[errors_field])
    return payload
