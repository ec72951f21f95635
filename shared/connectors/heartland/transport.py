"""Sends HTTP requests to Heartland, and maps each response to data or one of our errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn
from urllib.parse import urlencode

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from shared.connectors.heartland import decimal_json
from shared.connectors.heartland.account import HeartlandAccount
from shared.connectors.heartland.errors import NotFound, Refused, refusal
from shared.errors import CredentialsRefused, IntegrationError, OutcomeUnknown, TargetDown
from shared.limits.call_context import LONGEST_WAIT_SECONDS, CallContext, Observe
from shared.limits.circuit_breaker import Breaker
from shared.limits.rate_limit import RateLimit
from shared.runtime.clock import Clock

Query = Sequence[tuple[str, str]]

# Any web server in between may refuse an oversized request, with its own body.
_TOO_LARGE = (413, 414, 431)


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Limits of one request: `total_seconds` for all of it, `connect_seconds` for connecting.

    `empty_refusals`: a 4xx without a body counts as Heartland's refusal, not as a proxy's error.
    """

    total_seconds: float = 30.0
    connect_seconds: float = 10.0
    max_answer_bytes: int = 32 * 1024 * 1024
    empty_refusals: bool = False

    @property
    def timeout(self) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=self.total_seconds, sock_connect=self.connect_seconds)


@dataclass(frozen=True, slots=True)
class Answer:
    """`data` is the parsed body, None if it is empty. `location` is the Location header, or empty."""

    data: Any
    location: str = ""

    @property
    def id(self) -> int | None:
        """The id of the record that a POST created: from Location (a URL or a path), else from the body."""
        last = self.location.split("?", 1)[0].rstrip("/").rsplit("/", 1)[-1]
        if last.isdecimal():
            return int(last)
        value = self.data.get("id") if isinstance(self.data, Mapping) else None
        return value if isinstance(value, int) else None


TARGET = "heartland"


class Transport:
    """Requests to one account, within its rate limit and behind its circuit breaker."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        account: HeartlandAccount,
        *,
        rate_limit: RateLimit,
        breaker: Breaker,
        clock: Clock,
        observe: Observe,
        limits: RequestLimits,
        throttled: Callable[[], object] = lambda: None,
    ) -> None:
        self._session = session
        self._throttled = throttled
        self._base = str(URL(f"{account.base_url}/api/"))
        # Complete and in aiohttp's own type, so that no request has to copy or add headers.
        self._headers = CIMultiDict(
            {
                "Authorization": f"Bearer {account.api_token}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
                "User-Agent": "tillbridge",
            }
        )
        self._headers_with_body = self._headers.copy()
        self._headers_with_body["Content-Type"] = "application/json"
        self._rate_limit = rate_limit
        self._breaker = breaker
        self._clock = clock
        self._observe = observe
        self._limits = limits
        self._timeout = limits.timeout

    @property
    def call_seconds(self) -> float:
        """How long a request may take after it has passed the rate limit."""
        return self._limits.total_seconds

    async def send(
        self,
        method: str,
        path: str,
        *ids: int,
        query: Query = (),
        body: Mapping[str, object] | None = None,
        context: CallContext,
    ) -> Answer:
        """Send one request.

        Each `{}` in `path` is replaced by one of `ids`; metrics have the path without them.

        Raises TargetDown (certainly not applied), OutcomeUnknown (a write that may have been), NotFound, Refused, and
        what the pre-send check of a write raises.
        """
        operation = f"{method} {path.replace('/{}', '')}"
        generation = await self._acquire(method, context)
        try:
            error: BaseException | None = None
            started = self._clock.monotonic()
            try:
                return await self._exchange(operation, method, self._url(path.format(*ids), query), body)
            except BaseException as caught:
                error = caught
                if isinstance(caught, TargetDown):
                    caught.target = TARGET
                raise
            finally:
                self._breaker.end(generation, error, context.subjects)
                self._observe(operation, _outcome(error), self._clock.monotonic() - started)
        finally:
            self._rate_limit.release()

    async def _acquire(self, method: str, context: CallContext) -> int:
        """Wait for the rate limit, run the pre-send check, pass the breaker: all or nothing.

        Raises TargetDown.
        """
        # The breaker is checked before queueing too: a request that it rejects must not use up the rate limit.
        self._breaker.check()
        await self._rate_limit.acquire(context.priority)
        try:
            if context.pre_send_check is not None and method != "GET":
                await context.pre_send_check()
            return self._breaker.begin()  # only now: the breaker may have opened while the request was queued
        except BaseException:
            self._rate_limit.release_unused()
            raise

    def _url(self, path: str, query: Query) -> URL:
        # Already quoted, since quoting in yarl is expensive.
        return URL(f"{self._base}{path}?{urlencode(query)}" if query else self._base + path, encoded=True)

    async def _exchange(self, operation: str, method: str, url: URL, body: Mapping[str, object] | None) -> Answer:
        try:
            async with self._session.request(
                method,
                url,
                data=None if body is None else decimal_json.dumps(body),
                headers=self._headers if body is None else self._headers_with_body,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                return self._read(operation, method, response, await self._body(operation, method, response))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise TargetDown(f"Heartland cannot be reached ({type(error).__name__})") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            _raise_uncertain(operation, method, f"the connection broke ({type(error).__name__})", cause=error)

    async def _body(self, operation: str, method: str, response: aiohttp.ClientResponse) -> bytes:
        length = response.content_length
        is_small = length is not None and length <= self._limits.max_answer_bytes
        if is_small and "Content-Encoding" not in response.headers:
            return await response.read() if length else b""
        parts, size = [], 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > self._limits.max_answer_bytes:
                _raise_uncertain(operation, method, f"the answer is larger than {self._limits.max_answer_bytes} bytes")
            parts.append(part)
        return b"".join(parts)

    def _read(self, operation: str, method: str, response: aiohttp.ClientResponse, body: bytes) -> Answer:
        status = response.status
        if 200 <= status < 300:
            location = response.headers.get("Location", "")
            return Answer(_parsed(operation, method, body, location), location)
        if status >= 500 or status == 408:
            _raise_uncertain(operation, method, f"status {status}", after=self._retry_after(response))
        if status == 401:
            raise CredentialsRefused("Heartland does not accept the API token (status 401)")
        if status == 403:
            raise TargetDown(f"Heartland does not allow {operation} for the API token (status {status})")
        if status == 429:
            self._throttled()
            raise TargetDown("Heartland's rate limit is reached", self._retry_after(response))
        if status < 400:
            raise TargetDown(f"Heartland answered {operation} with status {status}: check the address of the account")
        answer = _parsed_or_none(body)
        if not self._is_from_heartland(status, body, answer):
            _raise_uncertain(operation, method, f"status {status} from a proxy, not from Heartland")
        raise refusal(operation, status, answer)

    def _is_from_heartland(self, status: int, body: bytes, answer: object) -> bool:
        """Whether Heartland itself refused. A proxy's maintenance page must not look like a missing record."""
        if isinstance(answer, Mapping) or status in _TOO_LARGE:
            return True
        return self._limits.empty_refusals and not body.strip()

    def _retry_after(self, response: aiohttp.ClientResponse) -> float | None:
        """Retry-After in seconds; the header may hold seconds or a date."""
        text = response.headers.get("Retry-After", "").strip()
        try:
            seconds = float(text) if text[:1].isdigit() else self._until(text)
        except (ValueError, TypeError):
            return None
        return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS) if math.isfinite(seconds) else None

    def _until(self, date: str) -> float:
        moment = parsedate_to_datetime(date)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (aware - self._clock.now()).total_seconds()


def _raise_uncertain(
    operation: str, method: str, what: str, *, after: float | None = None, cause: BaseException | None = None
) -> NoReturn:
    """Raise the error for an unusable response: a read is retried, a write may have been applied."""
    kind = TargetDown if method == "GET" else OutcomeUnknown
    answered = not isinstance(cause, (aiohttp.ClientError, TimeoutError, OSError))
    raise kind(f"Heartland, {operation}: {what}", after, answered=answered) from cause


def _parsed(operation: str, method: str, body: bytes, location: str) -> Any:
    # The Location header of a POST is all that is needed, whatever the body is.
    if not body.strip():
        if method == "GET":
            _raise_uncertain(operation, method, "an empty answer")
        return None
    try:
        return decimal_json.loads(body)
    except ValueError as error:
        if method == "POST" and location:
            return None
        _raise_uncertain(operation, method, "the answer is not JSON", cause=error)


def _parsed_or_none(body: bytes) -> Any:
    try:
        return decimal_json.loads(body)
    except ValueError:
        return None


def _outcome(error: BaseException | None) -> str:
    if not isinstance(error, IntegrationError):
        return "ok"
    kinds = ((NotFound, "not_found"), (Refused, "refused"), (OutcomeUnknown, "unknown"), (TargetDown, "down"))
    return next((name for kind, name in kinds if isinstance(error, kind)), "failed")
