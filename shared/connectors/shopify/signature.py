"""Shopify's webhook signature: base64 of HMAC-SHA256 over the raw bytes, with the client secret."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence


def sign(body: bytes, secret: str) -> str:
    """The header value for `body`."""
    return base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()


def verify(body: bytes, header: str, secrets: Sequence[str]) -> bool:
    """Whether `header` is the signature of `body` with any of `secrets`. Empty secrets never match.

    During a rotation two secrets are valid for up to an hour. All of them are tried in constant time.
    """
    given = header.encode("utf-8", "surrogateescape")
    matches = [hmac.compare_digest(sign(body, secret).encode(), given) for secret in secrets if secret]
    return any(matches)
