"""The bytes of a webhook and their signature."""

from __future__ import annotations

import base64
import hashlib
import hmac

import orjson

from services.sandbox.shopify.money import Json

# Shopify escapes these within JSON; whoever parses and writes the body again gets other bytes, and another signature.
ESCAPES = ((b"/", b"\\/"), (b"&", b"\\u0026"), (b"<", b"\\u003c"), (b">", b"\\u003e"))


def body_of(resource: Json) -> bytes:
    body = orjson.dumps(resource)
    for plain, escaped in ESCAPES:
        body = body.replace(plain, escaped)
    return body


def signature(body: bytes, secret: str) -> str:
    """base64 of the HMAC-SHA256 over the exact bytes."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
