"""The body bytes and the signature of a webhook."""

from __future__ import annotations

import base64
import hashlib
import hmac

import orjson

from services.sandbox.shopify.money import Json

# Shopify escapes these in JSON, so a receiver that serialises the body again computes a different signature.
ESCAPES = ((b"/", b"\\/"), (b"&", b"\\u0026"), (b"<", b"\\u003c"), (b">", b"\\u003e"))


def body_of(resource: Json) -> bytes:
    body = orjson.dumps(resource)
    for plain, escaped in ESCAPES:
        body = body.replace(plain, escaped)
    return body


def signature(body: bytes, secret: str) -> str:
    """The base64 HMAC-SHA256 of the exact bytes."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
