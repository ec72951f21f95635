"""What a replay would do, told without doing it. Each service knows its own calls best, so the writer is asked."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

import orjson

from services.replay.resend import Sending
from shared.messaging.dead_letters.reader import DeadLetter

Json = dict[str, Any]
_PREVIEWS = {
    "heartland_writer": "services.heartland_writer.preview",
    "shopify_writer": "services.shopify_writer.preview",
}
# A vendor that does not answer shall not hold up the operator for ever.
_PATIENCE_SECONDS = 60.0


async def would_do(sending: Sending, environ: Mapping[str, str]) -> Json:
    """`topic` and `event` of what would be sent; `calls` or `then` say what would come of it, `problem` why not."""
    letter = sending.letter
    told: Json = {"letter": letter.id, "topic": sending.topic, "event": sending.event_id}
    module = _PREVIEWS.get(letter.service)
    if module is not None:
        return told | await _ask(module, letter, sending.body, environ)
    return told | {"calls": [], "then": _told(letter.service, letter.subject), "problem": ""}


def _told(service: str, subject: str) -> str:
    if service == "transformers":
        return f"order {subject} is read back from the vendor, and what it holds then is published"
    return "it is read again"


async def _ask(module: str, letter: DeadLetter, body: bytes, environ: Mapping[str, str]) -> Json:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, letter.connection, letter.entity,
        env=dict(environ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            out, error = await process.communicate(body)
    except TimeoutError:
        return {"calls": [], "problem": f"the rehearsal did not end within {_PATIENCE_SECONDS:.0f} s"}
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        return {"calls": [], "problem": error.decode("utf-8", "replace").strip().rpartition("\n")[2]}
    found: Json = orjson.loads(out)
    return found
