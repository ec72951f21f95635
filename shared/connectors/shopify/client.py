"""Client of Shopify's Admin GraphQL API: sends a document, returns data or raises one of our errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import aiohttp
import orjson

from shared.connectors.shopify import responses
from shared.connectors.shopify.account import ShopifyAccount
from shared.connectors.shopify.costs import Costs
from shared.connectors.shopify.document import Document
from shared.connectors.shopify.errors import QueryTooLarge
from shared.connectors.shopify.responses import MAX_RESPONSE_BYTES, Throttled
from shared.connectors.shopify.tokens import Tokens
from shared.errors import IntegrationError, TargetDown
from shared.limits.call_context import LIVE, CallContext, Observe
from shared.limits.circuit_breaker import Breaker
from shared.limits.query_cost import QueryCostLimit
from shared.runtime.clock import Clock

_USER_AGENT = "Tillbridge (Shopify connector)"
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10, sock_read=30)
# A query that is throttled this often has another cause than an empty bucket.
_THROTTLED_TRIES = 8
_CHUNK = 64 * 1024


TARGET = "shopify"


class ShopifyClient:
    """The client of one shop.

    A query may be repeated; a mutation without a response raises OutcomeUnknown.

    With `cost_limit` None there is no rate limit of our own. `observe` is called with
    operation, outcome and seconds of each HTTP request.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        account: ShopifyAccount,
        *,
        cost_limit: QueryCostLimit | None,
        breaker: Breaker,
        clock: Clock,
        observe: Observe,
        throttled: Callable[[], object] = lambda: None,
    ) -> None:
        self._throttled = throttled
        self.costs = Costs()
        self._session = session
        self._account = account
        self._cost_limit = cost_limit
        self._breaker = breaker
        self._clock = clock
        self._observe = observe
        self._tokens = Tokens(session, account, clock)

    async def execute(
        self, document: Document, variables: Mapping[str, Any], context: CallContext = LIVE
    ) -> dict[str, Any]:
        """The data of `document`. Waits for the rate limit, and retries while Shopify throttles.

        Raises TargetDown (OutcomeUnknown for a mutation that may have been applied), QueryTooLarge if cost or
        response are too large for one query, and Rejected for a request that Shopify will never accept.
        """
        units = document.units(variables)
        for _ in range(_THROTTLED_TRIES):
            estimate = self.costs.estimate(document.name, units, document.cost_hint)
            await self._acquire(document, estimate, context)
            try:
                request = partial(self._request, document, variables, units, estimate)
                return await self._breaker.call(request, context.subjects)
            except Throttled:
                self._throttled()
            except QueryTooLarge:
                self.costs.exceeded(document.name, units)
                raise
        raise TargetDown(f"Shopify throttled {document.name} {_THROTTLED_TRIES} times in a row", target=TARGET)

    def max_units(self, document: Document) -> int:
        """How many units (ids) certainly fit into one query, by the costs of earlier queries."""
        most = self._cost_limit.most if self._cost_limit is not None else self.costs.maximum
        return self.costs.max_units(document.name, document.cost_hint, most)

    def _update_costs(self, document: Document, units: int, estimate: float, reply: Mapping[str, Any]) -> None:
        cost = responses.cost_of(reply)
        requested = _number(cost.get("requestedQueryCost"))
        if requested is not None:
            self.costs.learn(document.name, units, requested)
        status = cost.get("throttleStatus")
        if not isinstance(status, Mapping):
            # Some plans leave it out. Then a throttled query is the only sign that the bucket is empty.
            status = {"currentlyAvailable": 0} if responses.is_throttled(reply) else {}
        if (most := _number(status.get("maximumAvailable"))) is not None:
            self.costs.bucket(most)
        if self._cost_limit is not None and status:
            actual = _number(cost.get("actualQueryCost"))
            self._cost_limit.update(status, estimate, actual)

    async def _acquire(self, document: Document, estimate: float, context: CallContext) -> None:
        """Reserve the points, run the pre-send check, pass the breaker: all or nothing. Raises TargetDown."""
        self._breaker.check()  # before queueing too: a query that the breaker rejects must not use up points
        if self._cost_limit is not None:
            await self._cost_limit.reserve(estimate, context.priority)
        try:
            if context.pre_send_check is not None and document.mutates:
                await context.pre_send_check()
            self._breaker.check()
        except BaseException:
            if self._cost_limit is not None:
                self._cost_limit.release_unused(estimate)
            raise

    async def _request(
        self, document: Document, variables: Mapping[str, Any], units: int, estimate: float
    ) -> dict[str, Any]:
        """One request with its whole answer, since Shopify may report an outage with HTTP status 200."""
        try:
            body = orjson.dumps({"query": document.text, "variables": dict(variables)})
            reply = await self._reply(document, body)
            self._update_costs(document, units, estimate, reply)
            return responses.data_of(document, reply)
        except TargetDown as error:
            error.target = TARGET
            raise

    async def _reply(self, document: Document, body: bytes) -> dict[str, Any]:
        token = await self._tokens.current()
        status, answer, after = await self._post(document, body, token)
        # A token becomes invalid early when the secret is rotated or the app is reinstalled: retry once with a new one.
        if status == 401 and await self._tokens.replace(token):
            status, answer, after = await self._post(document, body, await self._tokens.current())
        if status == 429:
            self._throttled()
        if status != 200:
            raise responses.refused(document, status, after)
        return responses.read(document, answer)

    async def _post(self, document: Document, body: bytes, token: str) -> tuple[int, bytes, str | None]:
        started = self._clock.monotonic()
        outcome = "no_answer"
        try:
            async with self._session.post(
                self._account.graphql_url, data=body, headers=_headers(token), allow_redirects=False, timeout=_TIMEOUT
            ) as response:
                answer = await _bounded(document, response)
                outcome = str(response.status)
                return response.status, answer, response.headers.get("Retry-After")
        except aiohttp.ClientConnectorError as error:
            raise TargetDown(f"Shopify cannot be reached: {error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise responses.uncertain(document, type(error).__name__, answered=False) from error
        finally:
            self._observe(document.name, outcome, self._clock.monotonic() - started)


def _headers(token: str) -> dict[str, str]:
    return {
        "X-Shopify-Access-Token": token,
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": _USER_AGENT,
    }


async def _bounded(document: Document, response: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > MAX_RESPONSE_BYTES:
            response.close()
            raise _too_large(document)
    return b"".join(parts)


def _too_large(document: Document) -> IntegrationError:
    reason = f"the answer is larger than {MAX_RESPONSE_BYTES} bytes"
    return (
        responses.uncertain(document, reason)
        if document.mutates
        else QueryTooLarge(f"Shopify, {document.name}: {reason}")
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
