"""The commands as a shell sees them: on a real database, with a real broker."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from deploy.local.engine import Engine
from shared.canonical.alert import Alert
from shared.entities.table import topics
from shared.messaging.dead_letters.writer import DeadLetterCause, DeadLetters
from shared.messaging.kafka.admin import create_topics
from shared.messaging.kafka.producer import open_producer
from shared.messaging.parking.parked_rows import record_of
from shared.messaging.topics import DEAD_LETTERS, topic_name
from shared.operations.dead_letters.count import count_dead_letters
from shared.runtime.clock import SystemClock
from shared.runtime.settings import Settings
from shared.state.alerts import Alerts
from shared.state.connections import Connection, ConnectionStore
from shared.state.database import Database
from shared.state.drift import DriftLedger, Finding
from shared.state.journal import Journal
from shared.state.parked import Parked, ParkedKey, ParkedRecord
from shared.state.reviews import Reviews
from tests.support.engine import ROOT, service_environ
from tests.support.journal import HOP
from tests.support.messaging import NOON, an_envelope


@dataclass
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Shell:
    environ: Mapping[str, str]
    folder: Path

    async def __call__(self, *words: str) -> Answer:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.cli", *words,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **self.environ},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        return Answer(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture
def shell(engine: Engine, topic_prefix: str, database_url: str, tmp_path: Path) -> Shell:
    return Shell(service_environ(engine, topic_prefix=topic_prefix, database_url=database_url), tmp_path)


@pytest.fixture
def settings(shell: Shell) -> Settings:
    return Settings.from_env(shell.environ)


def one_line(text: str) -> bool:
    return text.startswith("tillbridge: ") and text.count("\n") == 1


async def test_trace_tells_the_story(shell: Shell, settings: Settings) -> None:
    async with Database.open(settings.database_url, 1) as database:
        await Journal(database).add([HOP])

    told, found = await shell("trace", "1001"), await shell("trace", "#1001", "--json")
    assert "order #1001 of main: Shopify 1001, Heartland 100001" in told.out
    assert found.json[0]["hops"][0]["outcome"] == "applied"


async def test_trace_of_something_unknown_says_what_to_give(shell: Shell) -> None:
    answer = await shell("trace", "4711")

    assert answer.code == 1
    assert one_line(answer.err)
    assert "4711" in answer.err


async def test_reviews_are_listed_with_what_to_do(shell: Shell, settings: Settings) -> None:
    async with Database.open(settings.database_url, 1) as database:
        await Reviews(database).open(
            "main", "order_unbalanced", "order", "1", "off by 1 cent", "compare", {"by": "0.01"}
        )

    told, found = await shell("reviews", "list"), await shell("reviews", "list", "--json")
    assert "what to do: compare" in told.out
    assert found.json[0]["details"] == {"by": "0.01"}
    assert (await shell("reviews", "list", "--connection", "other", "--json")).json == []
    assert one_line((await shell("reviews", "list", "--state", "odd")).err)


async def test_parked_keys_are_listed_with_what_they_wait_for(shell: Shell, settings: Settings) -> None:
    key = ParkedKey(
        "canonical.order", 0, "main|1", "main", "order", "waiting", "no item TEE", "Waiting", "main|item:TEE", 1,
        NOON, NOON + timedelta(hours=1),
    )  # fmt: skip
    async with Database.open(settings.database_url, 1) as database:
        parked = Parked(database, "heartland_writer")
        await parked.take("canonical.order", [0])
        await parked.park(key, [ParkedRecord("canonical.order", 0, 5, "main|1", [], b"{}")], 1)

    told, found = await shell("parked", "list"), await shell("parked", "list", "--json")
    assert "main|item:TEE" in told.out
    assert (found.json[0]["records"], found.json[0]["reason"]) == (1, "no item TEE")


async def given_up(settings: Settings, service: str = "heartland_writer") -> None:
    """A halted key, as the machinery leaves it: its record, its letter, its review and both alerts."""
    envelope = an_envelope("1")
    topic = "t.canonical.order"
    row = ParkedRecord(topic, 0, 5, "main|1", envelope.headers(), envelope.body)
    key = ParkedKey(topic, 0, "main|1", "main", "order", "halted", "used up", "RetryLater", None, 5, NOON, NOON)
    async with Database.open(settings.database_url, 1) as database, open_producer(settings, SystemClock()) as producer:
        parked = Parked(database, service)
        await parked.take(topic, [0])
        await parked.park(key, [row], 1)
        dlq = topic_name(settings.topic_prefix, DEAD_LETTERS[service])
        letters = DeadLetters(producer, dlq, service=service, version="", limit=9)
        await letters.send(record_of(row, 5), DeadLetterCause("used up", "RetryLater", 5, NOON, NOON, retriable=True))
        await Reviews(database).open("main", "halted", "order", "1", "used up", "start it", {})
        for kind in ("dead_letter", "key_halted"):
            alert = Alert(kind=kind, connection="main", entity="order", key="1", service=service, reason="", at=NOON)
            await Alerts(database).take([alert])


async def test_a_halted_key_that_is_retried_leaves_no_letter_behind(shell: Shell, settings: Settings) -> None:
    await create_topics(settings, topics())
    await given_up(settings)

    assert one_line((await shell("parked", "retry")).err)
    nothing = await shell("parked", "retry", "--reason", "other", "--json")
    assert (nothing.code, nothing.json) == (1, [])
    assert one_line((await shell("parked", "retry", "main")).err)
    assert (await shell("parked", "retry", "1", "--service", "shopify_writer", "--json")).json == []
    assert (await shell("parked", "retry", "1", "--json")).json == ["main|1"]

    assert (await shell("parked", "list", "--json")).json[0]["state"] == "waiting"
    assert (await shell("dlq", "list", "--each", "--json")).json == []
    assert len((await shell("dlq", "list", "--state", "replayed", "--each", "--json")).json) == 1
    # Whoever frees the key closes these.
    assert [alert["kind"] for alert in (await shell("alerts", "list", "--json")).json] == ["key_halted"]
    assert len((await shell("reviews", "list", "--json")).json) == 1


async def test_what_is_dropped_by_hand_is_over(shell: Shell, settings: Settings) -> None:
    await create_topics(settings, topics())
    await given_up(settings)
    await given_up(settings, "shopify_writer")
    words = ("parked", "drop", "main|1", "--because", "a test", "--service", "heartland_writer")

    asked = await shell(*words)
    assert asked.code == 1
    assert "'main|1' (order) of heartland_writer: 1 records" in asked.err
    assert (await shell(*words, "--yes", "--json")).json == ["main|1"]

    assert [row["service"] for row in (await shell("parked", "list", "--json")).json] == ["shopify_writer"]
    assert [one["service"] for one in (await shell("dlq", "list", "--each", "--json")).json] == ["shopify_writer"]
    gone = (await shell("dlq", "list", "--state", "discarded", "--each", "--json")).json
    assert {letter["reason"] for letter in gone} == {"used up", "dropped by hand: a test"}
    assert [alert["kind"] for alert in (await shell("alerts", "list", "--json")).json] == ["dead_letter"]
    assert (await shell("reviews", "list", "--json")).json == []
    assert (await shell("parked", "drop", "1", "--because", "a test", "--yes", "--json")).json == ["main|1"]
    assert (await shell("alerts", "list", "--json")).json == []
    assert (await shell("status", "--json")).json["dead_letters"] == dict.fromkeys(DEAD_LETTERS, 0)
    trail = (await shell("audit", "list", "--json")).json
    assert [entry["action"] for entry in trail] == ["parked.drop"] * 4


async def test_the_review_of_a_halted_key_starts_the_key(shell: Shell, settings: Settings) -> None:
    await create_topics(settings, topics())
    await given_up(settings)
    [number] = [str(row["id"]) for row in (await shell("reviews", "list", "--json")).json]

    refused = await shell("reviews", "decide", number, "--as", "ignore")
    assert one_line(refused.err)
    assert "parked drop 'main|1'" in refused.err
    assert (await shell("reviews", "decide", number, "--as", "retry")).code == 0

    assert (await shell("parked", "list", "--json")).json[0]["state"] == "waiting"


async def test_a_shipments_review_is_left_to_the_reconciler(shell: Shell, settings: Settings) -> None:
    async with Database.open(settings.database_url, 1) as database:
        await Reviews(database).open("main", "shipment_refused", "fulfilment", "1", "odd", "look", {})
    [number] = [str(row["id"]) for row in (await shell("reviews", "list", "--json")).json]

    told = await shell("reviews", "decide", number, "--as", "retry")

    # Nothing is sent, or it would fail: the topics are not there.
    assert (told.code, "the reconciler writes the fulfilment again" in told.out) == (0, True)


async def test_a_review_is_decided_once_and_noted(shell: Shell, settings: Settings) -> None:
    await create_topics(settings, topics())
    async with Database.open(settings.database_url, 1) as database:
        await Reviews(database).open("main", "refund_by_hand", "order", "1", "refund", "book it", {})
        await Reviews(database).open("main", "order_unbalanced", "order", "2", "off", "compare", {})
    other, one = (row["id"] for row in (await shell("reviews", "list", "--json")).json)

    assert (await shell("reviews", "decide", str(one), "--as", "done", "--because", "booked")).code == 0
    assert (await shell("reviews", "decide", str(other), "--as", "retry")).code == 0
    assert one_line((await shell("reviews", "decide", str(one), "--as", "done")).err)
    assert one_line((await shell("reviews", "decide", str(one), "--as", "odd")).err)
    assert (await shell("reviews", "list", "--json")).json == []
    assert len((await shell("reviews", "list", "--state", "decided", "--json")).json) == 2
    whole = await shell("audit", "verify")
    assert "the audit trail is intact: 4 rows, mark for --since: 4:" in whole.out
    assert (await shell("audit", "verify", "--since", whole.out.split()[-1])).code == 0
    assert one_line((await shell("audit", "verify", "--since", "4:" + "0" * 64)).err)


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("parked", "drop", "x", "--because", "y", "--yes"),
        ("reviews", "decide", "7", "--as", "done"),
        ("dlq", "list"),
        ("drift", "repair", "7"),
    ],
)
async def test_where_nothing_runs_it_is_said_in_one_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    answer = await Shell({}, tmp_path)(*words)

    assert answer.code == 1
    assert one_line(answer.err)
    assert "no running system found" in answer.err


@pytest.mark.parametrize("words", [("dlq",), ("dlq", "replay"), ("drift", "repair"), ("reconcile",)])
async def test_help_needs_nothing_that_runs(tmp_path: Path, words: tuple[str, ...]) -> None:
    answer = await Shell({}, tmp_path)(*words, "--help")

    assert answer.code == 0
    assert "Usage: tillbridge" in answer.out


async def test_status_counts_by_connection(shell: Shell, settings: Settings) -> None:
    async with Database.open(settings.database_url, 1) as database:
        await ConnectionStore(database, settings.secret_key).put(Connection("main", {}, {}))
        for key, at_risk in (("1", "5.00"), ("2", "7.50")):
            finding = Finding("main", "order", key, "order_missing", "not there", Decimal(at_risk), "USD")
            await DriftLedger(database).saw(finding, NOON)
        await Alerts(database).take([Alert(kind="dead_letter", connection="main", service="x", reason="y", at=NOON)])

    [main] = (await shell("status", "--json")).json["connections"]
    assert (main["drift"], main["at_risk"], main["alerts"], main["dead"]) == (2, "12.50 USD", 1, 1)

    assert "--because" in (await shell("alerts", "close", "dead_letter")).err
    [told] = (await shell("alerts", "close", "dead_letter", "--because", "seen", "--json")).json
    assert "(dead_letter, connection main)" in told
    assert (await shell("alerts", "list", "--json")).json == []
    assert (await shell("audit", "list", "--json")).json[0]["action"] == "alert.close"
    assert "no open alert" in (await shell("alerts", "close", "dead_letter", "--because", "seen")).err


async def test_migrate_connect_and_status_from_nothing(
    engine: Engine, empty_database_url: str, topic_prefix: str, tmp_path: Path
) -> None:
    shell = Shell(service_environ(engine, topic_prefix=topic_prefix, database_url=empty_database_url), tmp_path)

    assert "001_first" in (await shell("migrate")).out
    assert (await shell("migrate", "--json")).json == []
    assert "the sandbox" in (await shell("connect", "--sandbox", "http://127.0.0.1:9")).out
    status = (await shell("status", "--json")).json
    counts = dict.fromkeys(("orders", "open_reviews", "parked", "halted", "in_doubt", "drift", "alerts", "dead"), 0)
    assert status["connections"] == [{"connection": "main", "at_risk": "", **counts}]
    assert status["dead_letters"] == dict.fromkeys(DEAD_LETTERS, 0)
    assert "breakers" in (await shell("status")).out


@pytest.mark.capability("S35")
async def test_connect_puts_real_accounts_into_the_database(shell: Shell, settings: Settings) -> None:
    accounts = {
        "SHOPIFY_SHOP_DOMAIN": "harbor.myshopify.com",
        "SHOPIFY_CLIENT_ID": "app",
        "SHOPIFY_CLIENT_SECRET": "hush",
        "HEARTLAND_BASE_URL": "https://harbor.retail.heartland.us",
        "HEARTLAND_API_TOKEN": "token",
        "CONNECTION_NAME": "harbor",
    }
    answer = await Shell({**shell.environ, **accounts}, shell.folder)("connect")
    half = await Shell({**shell.environ, "HEARTLAND_API_TOKEN": "token"}, shell.folder)("connect")

    assert "harbor: your accounts" in answer.out
    async with Database.open(settings.database_url, 1) as database:
        [connection] = await ConnectionStore(database, settings.secret_key).all()
    assert connection.credentials["shopify"]["client_secret"] == "hush"
    assert "hush" not in answer.out + answer.err
    assert (half.code, one_line(half.err)) == (1, True)
    assert "SHOPIFY_SHOP_DOMAIN" in half.err


async def test_dead_letters_are_counted_on_the_broker(settings: Settings) -> None:
    await create_topics(settings, topics())
    async with open_producer(settings, SystemClock()) as producer:
        await producer.send_raw(topic_name(settings.topic_prefix, DEAD_LETTERS["journal"]), b"k", b"x", [])

    counts = await count_dead_letters(settings.kafka_bootstrap_servers, settings.topic_prefix)
    assert counts == {**dict.fromkeys(DEAD_LETTERS, 0), "journal": 1}


@pytest.mark.parametrize("words", [("status",), ("trace", "1"), ("parked", "list")])
async def test_without_a_system_it_says_what_to_do(tmp_path: Path, words: tuple[str, ...]) -> None:
    nothing = await Shell({}, tmp_path)(*words)
    away = await Shell({"DATABASE_URL": "postgresql://127.0.0.1:1/x"}, tmp_path)(*words)

    assert (nothing.code, one_line(nothing.err)) == (1, True)
    assert (away.code, one_line(away.err)) == (1, True)
