"""One request as both doors see it: what came before the body, then the body, bounded in size and time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aiohttp.web import BaseRequest, RequestPayloadError

from services.ingress.refusal import (
    BAD_HEADER,
    BAD_ID,
    CUT_OFF,
    MISSING_HEADER,
    NOT_JSON,
    REPEATED_HEADER,
    TOO_LARGE,
    TOO_SLOW,
    WRONG_CONTENT_TYPE,
    Refused,
)
from services.ingress.strict import MAX_DIGITS, Json, NotStrict, StrictReader

_LARGEST_ID = 10**MAX_DIGITS - 1
_LONGEST_HEADER = 512
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def check_head(request: BaseRequest, max_bytes: int) -> None:
    """What can be told before the body is read. Raises Refused."""
    length = request.content_length
    if length is not None and length > max_bytes:
        raise Refused(TOO_LARGE)
    headers = request.headers
    content_type = headers.get("Content-Type", "")
    if content_type != "application/json" and content_type.split(";")[0].strip().lower() != "application/json":
        raise Refused(WRONG_CONTENT_TYPE)
    # An encoded body is refused unread: a hundred kilobytes can unfold to a hundred megabytes.
    if headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise Refused(WRONG_CONTENT_TYPE)


def check_unique(request: BaseRequest, prefix: bytes) -> None:
    """Raises Refused where a header with `prefix` stands twice: two readers could each believe another one."""
    names = [name for name, _ in request.raw_headers]
    if len(set(map(bytes.lower, names))) == len(names):
        return
    found = [name for name in map(bytes.lower, names) if name.startswith(prefix)]
    if len(set(found)) != len(found):
        raise Refused(REPEATED_HEADER)


def required(request: BaseRequest, name: str) -> str:
    """The header `name`. Raises Refused, naming it, where it is absent or empty."""
    value = request.headers.get(name)
    if not value:
        raise Refused(MISSING_HEADER, name)
    return value


def plain(value: str) -> bytes:
    """A header's value for a Kafka header. Raises Refused where it is not short, printable ASCII."""
    if len(value) > _LONGEST_HEADER or not (value.isascii() and value.isprintable()):
        raise Refused(BAD_HEADER)
    return value.encode()


def read_strictly(reader: StrictReader, body: bytes) -> Json:
    """The object in the body. Raises Refused."""
    try:
        return reader.read(body)
    except NotStrict as error:
        raise Refused(NOT_JSON, str(error)) from None


def id_in(body: Json, path: Sequence[str]) -> Any:
    """What stands in `body` at the end of `path`; None where the path ends early."""
    found: Any = body
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def whole_id(value: Any) -> str:
    """The id as text. Raises Refused unless it is a positive whole number of up to 19 digits."""
    if type(value) is not int or not 0 < value <= _LARGEST_ID:
        raise Refused(BAD_ID)
    return str(value)


def sender_of(request: BaseRequest, proxies: int) -> str:
    """The address of the sender; behind `proxies` proxies, what the outermost of them has seen."""
    if proxies:
        # A proxy may add a line of its own. What stands further left was written by the sender itself.
        lines = ",".join(request.headers.getall("X-Forwarded-For", ()))
        seen = [part.strip() for part in lines.split(",")]
        if len(seen) >= proxies and seen[-proxies]:
            return seen[-proxies][:64]
    return request.remote or ""


async def read_body(request: BaseRequest, max_bytes: int, seconds: float) -> bytes:
    """The body's bytes as sent. Raises Refused when it is too large, too slow or ends early."""
    content = request.content
    if content.is_eof():  # the usual case: it came in one piece with the headers
        body = content.read_nowait()
        if len(body) > max_bytes:  # in chunks it announces no length
            raise Refused(TOO_LARGE)
        return body
    try:
        async with asyncio.timeout(seconds):
            return await _collect(request, max_bytes)
    except TimeoutError:
        raise Refused(TOO_SLOW) from None
    except (RequestPayloadError, ConnectionError):
        raise Refused(CUT_OFF) from None


async def _collect(request: BaseRequest, max_bytes: int) -> bytes:
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0
    chunks: list[bytes] = []
    size = 0
    while chunk := await request.content.readany():
        size += len(chunk)
        if size > max_bytes:
            raise Refused(TOO_LARGE)
        chunks.append(chunk)
    return b"".join(chunks)
