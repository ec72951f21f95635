"""What a replay would do, told without doing it: the writer's own code runs with another transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import orjson
from prometheus_client import CollectorRegistry
from pydantic import Field

from shared.connectors.clients import open_clients
from shared.connectors.settings import VendorSettings
from shared.entities.parts import Preview, PreviewParts
from shared.entities.settings_model import settings_check
from shared.entities.spec import load
from shared.entities.table import preview_of
from shared.errors import IntegrationError, Rejected
from shared.messaging.dead_letters.reader import DeadLetter
from shared.operations.dead_letters.resend import Sending
from shared.runtime.clock import SystemClock
from shared.runtime.metrics import ServiceMetrics
from shared.state.connections import Connections, ConnectionStore
from shared.state.database import Database

Json = dict[str, Any]
WRITERS = ("heartland_writer", "shopify_writer")
# A vendor that does not answer shall not hold up the operator for ever.
_MOST_SECONDS = 60.0


class DryRunSettings(VendorSettings):
    """What of the writers' settings counts here, too."""

    shopify_read_lag_seconds: float = Field(10.0, ge=0, description="As the writer's")


@asynccontextmanager
async def open_previews(settings: DryRunSettings) -> AsyncIterator[PreviewParts]:
    """What previews need. Raises TargetDown without a database."""
    clock, metrics = SystemClock(), ServiceMetrics("preview", CollectorRegistry())
    async with Database.open(settings.database_url, 2) as database:
        known = Connections(await ConnectionStore(database, settings.secret_key, settings_check()).all())
        async with open_clients(settings, known, metrics=metrics, clock=clock) as clients:
            yield PreviewParts(database, clients, clock, settings.shopify_read_lag_seconds)


async def dry_run(sending: Sending, parts: PreviewParts) -> Json:
    """`topic` and `event` of what would be sent; `calls` or `then` say what would come of it, `problem` why not."""
    letter = sending.letter
    told: Json = {"letter": letter.id, "topic": sending.topic, "event": sending.event_id}
    if letter.service in WRITERS:
        return told | await _previewed(letter, sending.body, parts)
    return told | {"calls": [], "then": _then(letter.service, letter.subject), "problem": ""}


def _then(service: str, subject: str) -> str:
    if service == "transformers":
        return f"order {subject} is read back from the vendor, and what it holds then is published"
    return "it is read again"


async def _previewed(letter: DeadLetter, body: bytes, parts: PreviewParts) -> Json:
    name = preview_of(letter.entity)
    if not name:
        return {"calls": [], "problem": f"an event of the entity {letter.entity!r} cannot be previewed"}
    try:
        async with asyncio.timeout(_MOST_SECONDS):
            found: Preview = await load(name)(parts, letter.connection, body)
    except TimeoutError:
        return {"calls": [], "problem": f"the dry run did not end within {_MOST_SECONDS:.0f} s"}
    except Rejected as error:
        return {"calls": [], "problem": f"{error.reason}: it would be a dead letter again"}
    except IntegrationError as error:
        return {"calls": [], "problem": error.reason}
    # Exact money in the bodies of calls becomes text: no float, and JSON for whoever asked.
    told: Json = orjson.loads(orjson.dumps(asdict(found), default=str))
    return told | {"at": parts.clock.now()}
