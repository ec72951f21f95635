"""Encryption of credentials at rest.

AES-256-GCM, bound to the connection's name, so that rows cannot be swapped.
"""

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
    """Encrypt `plain` for `name`; a fresh nonce each time."""
    nonce = os.urandom(_NONCE_BYTES)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, plain, name.encode())


def unseal(key: bytes, name: str, sealed: bytes) -> bytes:
    """Decrypt what was encrypted for `name`.

    Raises Misconfigured for another key or name, or if it was modified.
    """
    nonce, secret = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        if sealed[:1] != _VERSION:
            raise InvalidTag
        return AESGCM(key).decrypt(nonce, secret, name.encode())
    except (InvalidTag, ValueError):
        raise Misconfigured(
            f"SECRET_KEY does not open the credentials of connection {name!r}: they were sealed with another key"
        ) from None
