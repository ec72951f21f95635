"""Request checks that both receivers share: headers first, then the body, bounded in size and time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from aiohttp.web import BaseRequest, RequestPayloadError

from services.ingress.rejection import (
    BAD_HEADER,
    BAD_ID,
    CUT_OFF,
    MISSING_HEADER,
    NOT_JSON,
    REPEATED_HEADER,
    TOO_LARGE,
    TOO_SLOW,
    WRONG_CONTENT_TYPE,
    WebhookRejected,
)
from services.ingress.strict_json import MAX_DIGITS, Json, NotStrictJson, StrictJsonReader

_LARGEST_ID = 10**MAX_DIGITS - 1
_LONGEST_HEADER = 512
# Cached lists of header names, 8 KiB each at most; limited, since an attacker can send any number of lists.
_REMEMBERED_NAMES = 256
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def check_head(request: BaseRequest, max_bytes: int) -> None:
    """Check size and content type before the body is read. Raises WebhookRejected."""
    length = request.content_length
    if length is not None and length > max_bytes:
        raise WebhookRejected(TOO_LARGE)
    headers = request.headers
    content_type = headers.get("Content-Type", "")
    if content_type != "application/json" and content_type.split(";")[0].strip().lower() != "application/json":
        raise WebhookRejected(WRONG_CONTENT_TYPE)
    # A compressed body is rejected unread: a hundred kilobytes can decompress to a hundred megabytes.
    if headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise WebhookRejected(WRONG_CONTENT_TYPE)


def check_unique(request: BaseRequest, prefix: bytes) -> None:
    """Check that no header with `prefix` is repeated. Raises WebhookRejected.

    Two readers could use different values of a repeated header.
    """
    if _repeats(tuple([name for name, _ in request.raw_headers]), prefix):
        raise WebhookRejected(REPEATED_HEADER)


@lru_cache(_REMEMBERED_NAMES)
def _repeats(names: tuple[bytes, ...], prefix: bytes) -> bool:
    """Whether a header name with `prefix` is repeated. Cached: a sender uses the same names each time."""
    found = [name for name in map(bytes.lower, names) if name.startswith(prefix)]
    return len(set(found)) != len(found)


def required(request: BaseRequest, name: str) -> str:
    """The header `name`. Raises WebhookRejected, naming it, if it is absent or empty."""
    value = request.headers.get(name)
    if not value:
        raise WebhookRejected(MISSING_HEADER, name)
    return value


def plain(value: str) -> bytes:
    """A value as bytes for a Kafka header. Raises WebhookRejected unless it is short, printable ASCII."""
    if len(value) > _LONGEST_HEADER or not (value.isascii() and value.isprintable()):
        raise WebhookRejected(BAD_HEADER)
    return value.encode()


def read_strictly(reader: StrictJsonReader, body: bytes) -> Json:
    """Parse the body as a strict JSON object. Raises WebhookRejected."""
    try:
        return reader.read(body)
    except NotStrictJson as error:
        raise WebhookRejected(NOT_JSON, str(error)) from None


def id_in(body: Json, path: Sequence[str]) -> Any:
    """The value at `path` in `body`; None if the path does not exist."""
    found: Any = body
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def whole_id(value: Any) -> str:
    """The id as text. Raises WebhookRejected unless it is a positive whole number of up to 19 digits."""
    if type(value) is not int or not 0 < value <= _LARGEST_ID:
        raise WebhookRejected(BAD_ID)
    return str(value)


def sender_of(request: BaseRequest, proxies: int) -> str:
    """The sender's IP address; behind `proxies` proxies, the one that the outermost proxy recorded."""
    if proxies:
        # A proxy may add a header line of its own. Entries further left were written by the sender itself.
        lines = ",".join(request.headers.getall("X-Forwarded-For", ()))
        seen = [part.strip() for part in lines.split(",")]
        if len(seen) >= proxies and seen[-proxies]:
            return seen[-proxies][:64]
    return request.remote or ""


async def read_body(request: BaseRequest, max_bytes: int, seconds: float) -> bytes:
    """Read the body's bytes unchanged. Raises WebhookRejected if it is too large, too slow or ends early."""
    content = request.content
    if content.is_eof():  # the usual case: the body arrived together with the headers
        body = content.read_nowait()
        if len(body) > max_bytes:  # a chunked body has no Content-Length
            raise WebhookRejected(TOO_LARGE)
        return body
    try:
        async with asyncio.timeout(seconds):
            return await _collect(request, max_bytes)
    except TimeoutError:
        raise WebhookRejected(TOO_SLOW) from None
    except (RequestPayloadError, ConnectionError):
        raise WebhookRejected(CUT_OFF) from None


async def _collect(request: BaseRequest, max_bytes: int) -> bytes:
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0
    chunks: list[bytes] = []
    size = 0
    while chunk := await request.content.readany():
        size += len(chunk)
        if size > max_bytes:
            raise WebhookRejected(TOO_LARGE)
        chunks.append(chunk)
    return b"".join(chunks)
