"""Access tokens: granted for client credentials for a day; a fixed one may be accepted as well."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from services.sandbox.shopify.options import Options

LIFETIME_SECONDS: Final = 86_400
# Shopify reports one second less than the actual lifetime.
STATED_SECONDS: Final = 86_399


class Tokens:
    def __init__(self, options: Options, clock: Callable[[], float], random: Random) -> None:
        self._options = options
        self._clock = clock
        self._random = random
        self._until: dict[str, float] = {}

    def grant(self, client_id: str, client_secret: str) -> str | None:
        """A new token, or None for invalid credentials."""
        if client_id != self._options.client_id or client_secret != self._options.client_secret:
            return None
        self._until = {token: until for token, until in self._until.items() if until > self._clock()}
        token = f"shpat_{self._random.getrandbits(128):032x}"
        self._until[token] = self._clock() + LIFETIME_SECONDS
        return token

    def is_valid(self, token: str) -> bool:
        fixed = self._options.access_token
        return bool(token) and (token == fixed or self._until.get(token, 0.0) > self._clock())

    def revoke_all(self) -> None:
        self._until.clear()
