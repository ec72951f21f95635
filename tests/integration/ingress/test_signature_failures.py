"""Forged webhooks at the real service: barred, nothing of them published, and an operator is told."""

from __future__ import annotations

import asyncio

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer

from shared.messaging.topics import ALERT, topic_name
from tests.integration.ingress.test_ingress import Served, served  # noqa: F401 - a fixture
from tests.support.ingress import signed

BODY = b'{"id":450789469}'


async def post(place: Served, secret: str) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(place.webhooks, data=BODY, headers=signed(BODY, secret)) as answer,
    ):
        return answer.status


async def first_alert(place: Served) -> dict[str, object]:
    consumer = AIOKafkaConsumer(
        topic_name(place.settings.topic_prefix, ALERT),
        bootstrap_servers=place.settings.kafka_bootstrap_servers,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        record = await asyncio.wait_for(consumer.getone(), 30)
        found: dict[str, object] = orjson.loads(record.value)
        return found
    finally:
        await consumer.stop()


async def test_a_forger_is_barred_and_an_alert_is_raised(served: Served) -> None:  # noqa: F811
    answers = [await post(served, "a guess") for _ in range(80)]
    alert = await first_alert(served)

    assert (answers[0], answers[-1]) == (401, 429)
    assert (alert["kind"], alert["connection"], alert["resolved"]) == ("signature_failures", "main", False)
