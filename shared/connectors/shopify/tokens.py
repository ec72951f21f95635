"""Access tokens: static, or by client credentials, shared by all callers, renewed before expiry."""

from __future__ import annotations

import asyncio

import aiohttp
import orjson

from shared.connectors.shopify.account import ShopifyAccount
from shared.errors import CredentialsRefused, TargetDown
from shared.runtime.clock import Clock

# A token is renewed after this share of its lifetime, so that none expires during a call.
_LIFE_USED = 0.9
_REFUSED = range(400, 500)
# A token that is refused so soon after its renewal has not expired: another one would not help.
_FRESH_SECONDS = 10.0
# All callers wait for this one request.
_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=10)


class Tokens:
    """The token of one account."""

    def __init__(self, session: aiohttp.ClientSession, account: ShopifyAccount, clock: Clock) -> None:
        self._session = session
        self._account = account
        self._clock = clock
        self._static = account.access_token.get_secret_value()
        self._token = ""
        self._renew_at = 0.0
        self._replaced_at: float | None = None
        self._lock = asyncio.Lock()

    async def current(self) -> str:
        """A valid token. Raises TargetDown when Shopify issues none."""
        if self._static:
            return self._static
        async with self._lock:
            if not self._token or self._clock.monotonic() >= self._renew_at:
                await self._renew()
            return self._token

    async def replace(self, refused: str) -> bool:
        """Drop the `refused` token. False if a new one would not help: it is static, or was just renewed."""
        if self._static:
            return False
        async with self._lock:
            if self._token == refused:
                now = self._clock.monotonic()
                if self._replaced_at is not None and now - self._replaced_at < _FRESH_SECONDS:
                    return False
                self._token, self._replaced_at = "", now
        return True

    async def _renew(self) -> None:
        body = await self._request()
        try:
            answer = orjson.loads(body)
            token, seconds = str(answer["access_token"]), float(answer.get("expires_in") or 3600)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TargetDown("Shopify's answer to the request for a token cannot be read") from error
        self._token = token
        self._renew_at = self._clock.monotonic() + seconds * _LIFE_USED

    async def _request(self) -> bytes:
        form = {
            "client_id": self._account.client_id,
            "client_secret": self._account.client_secret.get_secret_value(),
            "grant_type": "client_credentials",
        }
        try:
            async with self._session.post(
                self._account.token_url, json=form, allow_redirects=False, timeout=_TIMEOUT
            ) as response:
                body = await response.content.read(65536)
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TargetDown(f"Shopify issues no access token: {type(error).__name__}") from error
        if status == 200:
            return body
        if status in _REFUSED and status != 429:
            raise CredentialsRefused(
                f"Shopify refused the client id and secret (HTTP {status}): the secret is wrong, or the app is not "
                "installed in this shop"
            )
        raise TargetDown(f"Shopify issues no access token (HTTP {status})")
