"""Credentials at rest: AES-256-GCM, bound to the name they belong to, so that a row moved to another name fails."""

from __future__ import annotations

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.errors import Misconfigured

_VERSION = b"\x01"
_NONCE_BYTES = 12
_KEY_BYTES = 32


def read_key(text: str) -> bytes:
    """The 32 bytes in `text` (base64, standard or URL-safe, padded or not). Raises Misconfigured."""
    plain = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        key = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise Misconfigured("SECRET_KEY must be 32 random bytes in base64, e.g. from `openssl rand -base64 32`")
    return key


def seal(key: bytes, name: str, plain: bytes) -> bytes:
    """`plain` sealed for `name`; another result each time."""
    nonce = os.urandom(_NONCE_BYTES)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, plain, name.encode())


def unseal(key: bytes, name: str, sealed: bytes) -> bytes:
    """What was sealed for `name`. Raises Misconfigured if it was another key or another name, or if it was changed."""
    nonce, secret = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        if sealed[:1] != _VERSION:
            raise InvalidTag
        return AESGCM(key).decrypt(nonce, secret, name.encode())
    except (InvalidTag, ValueError):
        raise Misconfigured(
            f"SECRET_KEY does not open the credentials of connection {name!r}: they were sealed with another key"
        ) from None
