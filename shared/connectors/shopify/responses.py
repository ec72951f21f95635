"""Maps Shopify's responses to our errors: HTTP status, GraphQL errors, invalid responses. Pure.

A mutation's own userErrors are checked by `errors.accepted`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from shared.connectors.shopify.document import Document
from shared.connectors.shopify.errors import QueryTooLarge
from shared.errors import CredentialsRefused, IntegrationError, OutcomeUnknown, Rejected, TargetDown
from shared.limits.call_context import LONGEST_WAIT_SECONDS

# Larger than any valid response to our documents; reading stops there.
MAX_RESPONSE_BYTES = 20 * 1024 * 1024

_STATUSES = {
    301: "it redirects: check that the shop's domain is its <name>.myshopify.com",
    302: "it redirects: check that the shop's domain is its <name>.myshopify.com",
    307: "it redirects: check that the shop's domain is its <name>.myshopify.com",
    308: "it redirects: check that the shop's domain is its <name>.myshopify.com",
    402: "the shop is frozen until its bill is paid",
    403: "the app has no access to this shop's API",
    404: "there is no such shop or API version",
    423: "the shop is locked",
    429: "too many requests",
    430: "it blocked the request as a possible attack",
}


# Error codes of requests that Shopify will never accept as they are.
_PERMANENT = frozenset({"BAD_REQUEST", "INVALID_FIELD_ARGUMENTS", "INVALID", "NOT_FOUND"})


class Throttled(Exception):
    """Shopify's query bucket has too few points; nothing was executed."""


def uncertain(document: Document, reason: str, *, answered: bool = True) -> TargetDown:
    """The error for a missing or unusable response: a query failed, a mutation may have been applied."""
    kind = OutcomeUnknown if document.mutates else TargetDown
    return kind(f"Shopify, {document.name}: {reason}", answered=answered)


def refused(document: Document, status: int, retry_after: str | None) -> IntegrationError:
    """The error for any HTTP status other than 200."""
    if status == 401:
        return CredentialsRefused(f"Shopify, {document.name}: it does not accept the access token (HTTP 401)")
    if status in _STATUSES:
        return TargetDown(f"Shopify, {document.name}: {_STATUSES[status]} (HTTP {status})", _seconds(retry_after))
    if status == 408 or not 400 <= status < 500:
        return uncertain(document, f"HTTP {status}")
    return Rejected(f"Shopify refused the request {document.name} as malformed (HTTP {status})")


def read(document: Document, body: bytes) -> dict[str, Any]:
    """The JSON object of an HTTP 200. Raises TargetDown or OutcomeUnknown for anything else."""
    try:
        reply = orjson.loads(body)
    except ValueError as error:
        raise uncertain(document, "the answer is not JSON") from error
    if not isinstance(reply, dict):
        raise uncertain(document, "the answer is not a GraphQL reply")
    return reply


def cost_of(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    """`extensions.cost`, empty if the plan leaves it out."""
    extensions = reply.get("extensions")
    cost = extensions.get("cost") if isinstance(extensions, Mapping) else None
    return cost if isinstance(cost, Mapping) else {}


def is_throttled(reply: Mapping[str, Any]) -> bool:
    errors = reply.get("errors")
    return isinstance(errors, list) and any(_code(error) == "THROTTLED" for error in errors)


def data_of(document: Document, reply: Mapping[str, Any]) -> dict[str, Any]:
    """The reply's data.

    Raises Throttled, or one of our errors for top-level errors and replies without data.
    """
    errors, data = reply.get("errors"), reply.get("data")
    if errors:
        _raise(document, errors if isinstance(errors, list) else [{"message": str(errors)}], data)
    if not isinstance(data, dict):
        raise uncertain(document, "the answer has no data")
    return data


def _raise(document: Document, errors: list[Any], data: object) -> None:
    codes = {_code(error) for error in errors}
    messages = "; ".join(str(error.get("message")) if isinstance(error, Mapping) else str(error) for error in errors)[
        :500
    ]
    if "THROTTLED" in codes:
        raise Throttled
    if "MAX_COST_EXCEEDED" in codes:
        raise QueryTooLarge(f"Shopify, {document.name}: {messages}")
    if codes == {"ACCESS_DENIED"} and isinstance(data, dict) and all(_is_optional(document, e) for e in errors):
        return
    # A missing scope concerns this shop only: it must not stop a service that serves other shops too.
    if "ACCESS_DENIED" in codes:
        raise TargetDown(f"Shopify denies access: grant the app the missing scope or approval. {messages}")
    if "SHOP_INACTIVE" in codes:
        raise TargetDown(f"the shop is not active: {messages}")
    if codes & {"INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT"}:
        raise uncertain(document, messages)
    # Codes of schema validation are in camelCase: the document does not fit the API version, so every call fails.
    if any(code[:1].islower() for code in codes):
        raise TargetDown(f"Shopify does not accept the document {document.name}: check the API version. {messages}")
    if codes & _PERMANENT:
        raise Rejected(f"Shopify refused {document.name}: {messages}")
    # Other error codes are not known to concern this record.
    raise uncertain(document, messages)


def _code(error: object) -> str:
    extensions = error.get("extensions") if isinstance(error, Mapping) else None
    return str(extensions.get("code") or "") if isinstance(extensions, Mapping) else ""


def _is_optional(document: Document, error: Mapping[str, Any]) -> bool:
    path = error.get("path")
    return isinstance(path, list) and any(step in document.optional_fields for step in path)


def _seconds(header: str | None) -> float | None:
    try:
        return min(max(0.0, float(header)), LONGEST_WAIT_SECONDS) if header else None
    except ValueError:
        return None
