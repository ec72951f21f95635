"""Error answers of both vendors for injected faults, and the operation name that faults match."""

from __future__ import annotations

import re
from typing import Any, Final

import orjson
from aiohttp import web

from services.sandbox.faults import Fault

RESTORE_RATE: Final = {"standard": 100.0, "advanced": 200.0, "plus": 1000.0, "enterprise": 2000.0}
HTML: Final = "<!DOCTYPE html><html><head><title>Service unavailable</title></head><body><h1>503</h1></body></html>"
FIRST_NAME: Final = re.compile(r"^\s*(?:query|mutation|subscription)\s+(\w+)|\{\s*(?:\w+\s*:\s*)?(\w+)", re.MULTILINE)


async def operation(system: str, request: web.Request) -> str:
    """The name that faults match.

    "METHOD /path", for GraphQL preceded by the operation's or its first field's name.
    """
    name = f"{request.method} {request.path}"
    if system == "shopify" and request.path.endswith("/graphql.json"):
        return f"{graphql_name(await request.read())} {name}"
    return name


def graphql_name(body: bytes) -> str:
    try:
        document: Any = orjson.loads(body)
        found = document.get("operationName") or _first_name(document["query"])
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        return ""
    return str(found)


def _first_name(query: str) -> str:
    found = FIRST_NAME.search(query)
    return (found.group(1) or found.group(2)) if found else ""


def unapplied_answer(system: str, fault: Fault, plan: str) -> web.Response:
    """The error answer to a call that was not applied."""
    if fault.kind in ("throttle", "concurrency"):
        return _throttled(system, fault, plan)
    if fault.kind == "html":
        return web.Response(text=HTML, status=fault.status or 503, content_type="text/html")
    status = {"unauthorized": 401, "forbidden": 403}.get(fault.kind, fault.status or 500)
    return _error(system, status, _retry_after(fault))


def applied_answer(system: str, fault: Fault, response: web.StreamResponse) -> web.Response:
    """The error answer to a call that was applied."""
    if fault.kind == "garbage":
        body = response.body if isinstance(response, web.Response) and isinstance(response.body, bytes) else b""
        return web.Response(body=body[: len(body) // 2] + b"\x00{", status=200, content_type="application/json")
    return _error(system, fault.status or 500, _retry_after(fault))


def _throttled(system: str, fault: Fault, plan: str) -> web.Response:
    if system == "heartland" or fault.retry_after is not None:
        return _error(system, 429, _retry_after(fault))
    # Shopify answers 200 with an error if the query costs more than is available.
    rate = RESTORE_RATE[plan]
    status = {"maximumAvailable": rate * 20, "currentlyAvailable": 0, "restoreRate": rate}
    cost = {"requestedQueryCost": 10, "actualQueryCost": None, "throttleStatus": status}
    error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
    return _json({"errors": [error], "extensions": {"cost": cost}}, 200, {})


def _error(system: str, status: int, headers: dict[str, str]) -> web.Response:
    codes = {401: "unauthorized", 403: "forbidden", 429: "too_many_requests"}
    if system == "heartland":
        code = codes.get(status, "internal_error")
        return _json({"error": code, "message": code.replace("_", " ").capitalize(), "details": {}}, status, headers)
    texts = {401: "[API] Invalid API key or access token (unrecognized login or wrong password)"}
    return _json(
        {"errors": texts.get(status, "Internal Server Error" if status >= 500 else "Refused")}, status, headers
    )


def _retry_after(fault: Fault) -> dict[str, str]:
    return {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}


def _json(body: object, status: int, headers: dict[str, str]) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, headers=headers, content_type="application/json")
