"""One of the two services that `pair` measures, selected by STAGE: `python -m tests.bench.stage`.

`first` reads raw records, checks their total and publishes them. `second` reads those, maps them and POSTs them to
TARGET_URL, with version gate and effect ledger. Both use the product's consumer with parking and hops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import aiohttp
import orjson

from shared.entities.order.spec import CANONICAL_ORDER, RAW_SHOPIFY_ORDER
from shared.messaging.consumer.consumer import open_consumer
from shared.messaging.envelope import Envelope, child_traceparent
from shared.messaging.kafka.producer import Producer, open_producer
from shared.messaging.record import Handler, Record, Result, Route
from shared.messaging.settings import ConsumerSettings
from shared.messaging.topics import DEAD_LETTERS
from shared.runtime.clock import Clock
from shared.runtime.service import launch, open_shell
from shared.state.atomic_write import AtomicWriter, EffectOutcome, VersionMark, WriteSet
from shared.state.database import Database
from shared.state.ledger import Effect
from shared.state.parked import Parked
from shared.state.reviews import Reviews
from shared.state.target_state import TargetStates
from shared.state.versions import Version, gate

CONCURRENCY = 64
TARGET = "bench"


class Settings(ConsumerSettings):
    stage: Literal["first", "second"]
    target_url: str


def first(producer: Producer) -> Handler:
    """Handler of the first service: reads, checks the total, publishes."""

    async def handle(records: Sequence[Record]) -> Result:
        notice = records[-1].envelope
        order = orjson.loads(notice.body)
        total = sum(Decimal(line["price"]) * line["quantity"] for line in order["line_items"])
        assert total == Decimal(order["total_line_items_price"])
        event = Envelope(
            id=f"{notice.id}:canonical",
            source="shopify",
            type="canonical.order",
            time=notice.time,
            connection=notice.connection,
            entity="order",
            subject=notice.subject,
            body=notice.body,
            traceparent=child_traceparent(notice.traceparent),
            hop=notice.hop + 1,
        )
        await producer.send(CANONICAL_ORDER, event)
        return Result("published", order_number=order["name"])

    return handle


def second(database: Database, session: aiohttp.ClientSession, clock: Clock, url: str) -> Handler:
    """Handler of the second service: maps, version gate, claim, POST, notes outcome and version."""
    states, writer = TargetStates(database), AtomicWriter(database, clock)

    async def handle(records: Sequence[Record]) -> Result:
        event = records[-1].envelope
        order = orjson.loads(event.body)
        place = (event.connection, "order", event.subject)
        stored = (await states.get(*place, TARGET)).version
        version = Version(event.time, event.id)
        verdict = gate(stored, version)
        if verdict != "apply":
            return Result(verdict)
        effect = Effect(event.connection, TARGET, "order", event.subject, f"post:{event.id}")
        await writer.write(WriteSet(place, {effect: None}))
        made = await _post(session, url, event.id, order)
        mark = VersionMark(*place, TARGET, version)
        await writer.write(WriteSet(place, outcomes=[EffectOutcome(effect, {"id": made})], versions=(mark,)))
        return Result("applied", order_number=order["name"], heartland_id=str(made))

    return handle


async def _post(session: aiohttp.ClientSession, url: str, event_id: str, order: dict[str, Any]) -> int:
    body = orjson.dumps(
        {
            "event": event_id,
            "number": order["name"],
            "total": order["total_price"],
            "lines": [{"sku": line["sku"], "qty": line["quantity"]} for line in order["line_items"]],
        }
    )
    async with session.post(url, data=body) as response:
        response.raise_for_status()
        return int(await response.text())


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Runs the service until `stop` is set."""
    name = "transformers" if settings.stage == "first" else "heartland_writer"
    async with (
        open_shell(name, settings, stop) as shell,
        Database.open(settings.database_url, settings.database_pool_size) as database,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENCY)) as session,
        open_producer(settings, shell.clock) as producer,
    ):
        if settings.stage == "first":
            route = Route(RAW_SHOPIFY_ORDER, first(producer), "order", collapse=False)
        else:
            handle = second(database, session, shell.clock, settings.target_url)
            # Not collapsed: each event of the few keys is written.
            route = Route(CANONICAL_ORDER, handle, "order", collapse=False)
        async with open_consumer(
            shell,
            group=f"bench-{settings.stage}",
            routes=[route],
            producer=producer,
            parked=Parked(database, name),
            reviews=Reviews(database),
            dead_letters=DEAD_LETTERS[name],
            options=settings.consumer_options(CONCURRENCY),
        ) as consumer:
            await consumer.run()


def started(at: float) -> datetime:
    """The timestamp of an event that was produced `at` seconds since 1970."""
    return datetime.fromtimestamp(at, UTC)


if __name__ == "__main__":
    launch("bench", Settings, run)
