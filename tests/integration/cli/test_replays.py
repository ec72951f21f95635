"""Replays of many letters as a shell sees them: stopped between two, gone on with, on a real broker and database."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.engine import Engine
from shared.entities.order.spec import CANONICAL_ORDER
from shared.messaging.dead_letters.reader import DeadLetter
from shared.messaging.dead_letters.writer import DeadLetterCause, DeadLetters
from shared.messaging.kafka.admin import create_topics
from shared.messaging.kafka.producer import open_producer
from shared.messaging.record import Record
from shared.messaging.topics import ALERT, DEAD_LETTERS, topic_name
from shared.operations.dead_letters.dead_letters import open_dead_letters
from shared.runtime.clock import SystemClock
from shared.runtime.settings import Settings
from shared.runtime.settings import Settings as ReplaySettings
from shared.state.database import Database
from tests.support.engine import ROOT, service_environ
from tests.support.messaging import NOON, an_envelope, until

KEYS = ["1001", "1002", "1003", "1004"]
FAST = ("--no-canary", "--wait", "0", "--json")


@pytest.fixture
async def environ(engine: Engine, topic_prefix: str, database_url: str) -> dict[str, str]:
    """A system with four dead letters, and nobody who reads what is sent again."""
    told = service_environ(engine, topic_prefix=topic_prefix, database_url=database_url)
    settings = Settings.from_env(told)
    await create_topics(settings, (ALERT, CANONICAL_ORDER, *DEAD_LETTERS.values()))
    origin = topic_name(topic_prefix, CANONICAL_ORDER)
    async with open_producer(settings, SystemClock()) as producer:
        letters = DeadLetters(
            producer, topic_name(topic_prefix, DEAD_LETTERS["heartland_writer"]), service="heartland_writer",
            version="1", limit=100,
        )  # fmt: skip
        for number, key in enumerate(KEYS):
            envelope = an_envelope(key, id=f"event-{key}")
            record = Record(envelope, origin, 0, number, 0, 3, envelope.key, tuple(envelope.headers()))
            await letters.send(record, DeadLetterCause(f"no such tender 'T{number}'", "Rejected", 3, NOON, NOON))
    return told


async def start(environ: Mapping[str, str], folder: Path, *words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", "dlq", *words,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def said(process: asyncio.subprocess.Process) -> tuple[int, Any, str]:
    """How it ended: its code, what it printed as JSON, and what it complained of."""
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, json.loads(out) if out else None, err.decode()


async def on_the_road(environ: Mapping[str, str]) -> list[str]:
    """Ids of the events on the letters' original topic."""
    settings = Settings.from_env(environ)
    topic = topic_name(settings.topic_prefix, CANONICAL_ORDER)
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(CANONICAL_ORDER.partitions)]
        ends = await consumer.end_offsets(places)
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        found: list[str] = []
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                found += [dict(record.headers)["ce_id"].decode() for record in records]
        return found
    finally:
        await consumer.stop()


async def test_a_replay_that_is_stopped_goes_on_where_it_stood(environ: dict[str, str], tmp_path: Path) -> None:
    process = await start(environ, tmp_path, "replay", "--all", "--rate", "0.01", *FAST)
    async with Database.open(environ["DATABASE_URL"], 1) as database:

        async def begun() -> bool:
            return bool(await database.fetch("select 1 from replays where sent_at is not null"))

        await until(begun, seconds=60)
    process.send_signal(signal.SIGINT)
    code, report, _ = await said(process)
    assert (code, report["left"], list(report["sent"].values())) == (130, 3, ["still being processed"])
    assert await on_the_road(environ) == ["event-1001"]

    _, rehearsed, _ = await said(
        await start(environ, tmp_path, "replay", "--resume", report["run"], "--dry-run", "--json")
    )
    assert len(rehearsed) == 3
    words = ("replay", "--resume", report["run"], "--rate", "0", *FAST)
    code, rest, _ = await said(await start(environ, tmp_path, *words))
    assert (code, rest["left"], len(rest["sent"])) == (0, 0, 3)
    assert sorted(await on_the_road(environ)) == [f"event-{key}" for key in KEYS]

    code, _, complaint = await said(await start(environ, tmp_path, *words))
    assert (code, "nothing is left" in complaint) == (1, True)


async def test_the_first_holds_back_the_rest_until_it_has_ended(environ: dict[str, str], tmp_path: Path) -> None:
    code, _, complaint = await said(await start(environ, tmp_path, "replay", "--all", "--wait", "0.1", "--json"))

    assert code == 1
    assert "did not end within" in complaint
    assert "--resume" in complaint
    assert len(await on_the_road(environ)) == 1


async def test_an_editor_that_changes_nothing_sends_nothing(environ: dict[str, str], tmp_path: Path) -> None:
    process = await start({**environ, "EDITOR": "true"}, tmp_path, "edit", "event-1001", "--json")
    code, _, complaint = await said(process)

    assert (code, "nothing was changed" in complaint) == (1, True)
    assert await on_the_road(environ) == []


async def test_what_an_editor_makes_of_it_is_sent_as_an_event_of_its_own(
    environ: dict[str, str], tmp_path: Path
) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho \'{"corrected": true}\' > "$1"\n')
    editor.chmod(0o755)
    words = ("edit", "event-1002", "--wait", "0", "--json")
    await said(await start({**environ, "EDITOR": str(editor)}, tmp_path, *words))

    [event] = await on_the_road(environ)
    assert event.startswith("event-1002:edit:")


async def test_without_a_system_one_line_says_what_is_missing(tmp_path: Path) -> None:
    code, _, complaint = await said(await start({}, tmp_path, "list", "--json"))

    assert code == 1
    assert complaint.startswith("tillbridge: ")
    assert "DATABASE_URL" in complaint


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        pytest.param({}, "", id="nothing was sent yet"),
        pytest.param({"fulfilment:9:1": "done"}, "this fulfilment was applied already", id="all is there"),
        pytest.param({"fulfilment:9:1": "done", "fulfilment:9:2": "failed"}, "", id="one location lacks"),
        pytest.param({"fulfilment:9:1": "done", "tracking:9:5:x": "failed"}, "", id="its tracking lacks"),
        pytest.param({"fulfilment:99:1": "done"}, "", id="another invoice's"),
    ],
)
async def test_a_shipment_counts_as_done_when_every_call_of_its_invoice_is(
    environ: dict[str, str], states: dict[str, str], expected: str
) -> None:
    envelope = an_envelope("1001", body=b'{"record": {"id": "9"}}')
    headers = tuple(replace(envelope, entity="fulfilment").headers())
    letter = DeadLetter("shopify_writer", 0, 0, NOON, envelope.key, headers, envelope.body)
    async with Database.open(environ["DATABASE_URL"], 1) as database:
        for operation, state in states.items():
            await database.execute(
                """insert into effects (connection, effect_id, system, entity, key, operation, state)
                   values ('main', $1, 'shopify', 'fulfilment', '1001', $1, $2)""",
                operation, state,
            )  # fmt: skip
    async with open_dead_letters(ReplaySettings.from_env(environ), "a test") as operations:
        assert await operations.needless(letter) == expected
