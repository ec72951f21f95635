"""What a replay would do, told without doing it. Each service knows its own calls best, so the writer is asked."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

import orjson

from services.replay.resend import Sending

Json = dict[str, Any]
_PREVIEWS = {"heartland_writer": "services.heartland_writer.preview"}


async def would_do(sending: Sending, environ: Mapping[str, str]) -> Json:
    """`topic` and `event` of what would be sent; `calls` or `then` say what would come of it, `problem` why not."""
    letter = sending.letter
    told: Json = {"letter": letter.id, "topic": sending.topic, "event": sending.event_id}
    module = _PREVIEWS.get(letter.service)
    if module is not None:
        return told | await _ask(module, letter.connection, sending.body, environ)
    return told | {"calls": [], "then": _told(letter.service, letter.subject), "problem": ""}


def _told(service: str, subject: str) -> str:
    match service:
        case "transformers":
            return f"order {subject} is read back from the vendor, and what it holds then is published"
        case "shopify_writer":
            return f"what is still to be shipped of order {subject} is read from Shopify, and only that is fulfilled"
    return "it is read again"


async def _ask(module: str, connection: str, body: bytes, environ: Mapping[str, str]) -> Json:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, connection,
        env=dict(environ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, error = await process.communicate(body)
    if process.returncode:
        return {"calls": [], "problem": error.decode("utf-8", "replace").strip().rpartition("\n")[2]}
    found: Json = orjson.loads(out)
    return found
