"""The HTTP layer: authentication, routing, error answers, journal."""

from __future__ import annotations

import hmac
from typing import Final

from aiohttp import web

from services.sandbox.heartland.account import Heartland
from services.sandbox.heartland.call import Answer, Call, Rule
from services.sandbox.heartland.decimal_json import dump
from services.sandbox.heartland.rejection import Rejection, not_allowed, not_found
from services.sandbox.heartland.routes import CALLS

PREFIX: Final = "/api/"


class RestApi:
    def __init__(self, account: Heartland) -> None:
        self._account = account
        self._bearer = f"Bearer {account.world.settings.sandbox_api_token}".encode()

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        pattern, ids = pattern_of(request.path.removeprefix(PREFIX))
        answer = self._answered(request, body, pattern, ids)
        if request.method not in ("GET", "HEAD"):
            self._journal(request, body, pattern, answer)
        return self._response(request, answer)

    def _answered(self, request: web.Request, body: bytes, pattern: str, ids: tuple[int, ...]) -> Answer:
        """Applies the call atomically: there is no await in it."""
        try:
            self._check_token(request)
            rule = rule_for(pattern, request.method)
            return rule(self._call(request, body, ids))
        except Rejection as rejection:
            status = rejection.status
            if rejection.error in ("validation_error", "payment_error"):
                status = self._account.flags.validation_status
            return Answer(
                status, {"error": rejection.error, "message": rejection.message, "details": rejection.details}
            )

    def _check_token(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._bearer):
            raise Rejection(401, "unauthorized", "The token is missing or not valid")

    def _call(self, request: web.Request, body: bytes, ids: tuple[int, ...]) -> Call:
        faults, lag, every = self._account.world.faults, 0.0, 1
        if request.method == "GET" and (fault := faults.stale("heartland", f"GET {request.path}")):
            lag, every = fault.seconds, fault.every
        return Call(self._account, request.method, request.path, ids, tuple(request.query.items()), body, lag, every)

    def _journal(self, request: web.Request, body: bytes, pattern: str, answer: Answer) -> None:
        response = {"location": answer.location} if answer.location else answer.body
        operation = f"{request.method} {pattern}"
        self._account.world.journal.add(
            "heartland", operation, request.method, request.path, body or None, answer.status, response
        )

    def _response(self, request: web.Request, answer: Answer) -> web.Response:
        headers = {}
        if answer.location and self._account.flags.post_location:
            headers["Location"] = f"{request.scheme}://{request.host}{answer.location}"
        body = b"" if answer.body is None or request.method == "HEAD" else dump(answer.body)
        return web.Response(status=answer.status, body=body, headers=headers, content_type="application/json")


def rule_for(pattern: str, method: str) -> Rule:
    rules = CALLS.get(pattern)
    if rules is None:
        raise not_found()
    rule = rules.get("GET" if method == "HEAD" else method)
    if rule is None:
        raise not_allowed()
    return rule


def pattern_of(path: str) -> tuple[str, tuple[int, ...]]:
    """`sales/orders/100001/lines` -> `sales/orders/#/lines` and its ids."""
    parts = path.rstrip("/").split("/")
    if parts[0] == "settings" and len(parts) == 2:
        return "settings/*", ()
    ids = tuple(int(part) for part in parts if _is_id(part))
    return "/".join("#" if _is_id(part) else part for part in parts), ids


def _is_id(part: str) -> bool:
    return part.isascii() and part.isdigit() and len(part) < 19
