"""The story of a dead letter, as an operator lives it: heard of, looked at, rehearsed, corrected, sent, sent twice."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pytest

from shared.entities.order.shopify import webhook_body as webhook
from shared.entities.order.spec import CANONICAL_ORDER
from shared.messaging.envelope import Envelope
from shared.messaging.kafka.producer import open_producer
from shared.runtime.clock import SystemClock
from shared.runtime.settings import Settings
from shared.state.alerts import Alerts
from tests.integration.heartland_writer.harness import an_event
from tests.support.documents import a_document
from tests.support.engine import ROOT
from tests.support.stack import Bridge

pytestmark = pytest.mark.timeout(180)


@dataclass
class Operator:
    """Somebody at the command line."""

    bridge: Bridge

    async def __call__(self, *words: str) -> Any:
        """What the command prints as JSON. Fails the test with what it complains of."""
        code, out, err = await self.says(*words, "--json")
        assert code == 0, err
        return json.loads(out)

    async def says(self, *words: str) -> tuple[int, str, str]:
        stack = self.bridge.stack
        where = {"SANDBOX_URL": stack.sandbox_url or "", "CONNECTION_NAME": stack.connection}
        environ = {**stack.environ, **where, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.cli", *words,
            env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()


async def a_poisoned_order(bridge: Bridge, event_id: str) -> tuple[str, Envelope]:
    """An order that Shopify has; what reaches the writer of it lacks its currency."""
    document = {**a_document(next(bridge.numbers)), "webhook": False}
    order_id = await bridge.post(document)
    stored = (await bridge.shopify(order_id))["order"]
    event = an_event(webhook.from_webhook(webhook.parse(orjson.dumps(stored, default=str))))
    body = json.loads(event.body)
    body["connection"] = bridge.stack.connection
    del body["record"]["currency"]
    settings = Settings.from_env(bridge.stack.environ)
    poisoned = replace(event, id=event_id, connection=bridge.stack.connection, body=orjson.dumps(body))
    async with open_producer(settings, SystemClock()) as producer:
        await producer.send(CANONICAL_ORDER, poisoned)
    return order_id, poisoned


@pytest.mark.capability("S52", "S54")
async def test_a_poisoned_order_is_heard_of_corrected_and_written_once(bridge: Bridge) -> None:
    operator = Operator(bridge)
    order_id, poisoned = await a_poisoned_order(bridge, "poison-1")

    async def heard() -> bool:
        return any((row.kind, row.key) == ("dead_letter", order_id) for row in await Alerts(bridge.database).list())

    await bridge.until("the alert", heard)
    [cause] = await operator("dlq", "list", "--order", order_id)
    assert (cause["count"], cause["service"]) == (1, "heartland_writer")
    [letter] = cause["letters"]
    shown = await operator("dlq", "show", letter, "--body")
    assert shown["body"] == json.loads(poisoned.body)
    assert (await operator("status"))["dead_letters"]["heartland_writer"] == 1

    # As it is, it would only come back.
    [told] = await operator("dlq", "replay", letter, "--dry-run")
    assert "dead letter again" in told["problem"]
    code, _, complaint = await operator.says("dlq", "replay", letter)
    assert code == 1
    assert "became a dead letter again" in complaint
    assert await bridge.heartland_order(order_id) is None

    [rehearsed] = await operator("dlq", "edit", letter, "--set", "record.currency=USD", "--dry-run")
    assert "POST sales/orders" in [f"{call['method']} {call['path']}" for call in rehearsed["calls"]], rehearsed[
        "problem"
    ]
    assert await bridge.writes("heartland") == [] or await bridge.heartland_order(order_id) is None
    report = await operator("dlq", "edit", letter, "--set", "record.currency=USD")
    assert report["sent"] == {letter: "applied"}
    await bridge.in_heartland(order_id)

    # Once more is harmless, and says so.
    again = await operator("dlq", "edit", letter, "--set", "record.currency=USD")
    assert again["sent"][letter] in ("duplicate", "stale")
    assert len(await bridge.created(order_id)) == 1
    trail = [entry["action"] for entry in await operator("audit", "list")]
    assert trail == [action for act in ("dlq.replay", "dlq.edit", "dlq.edit") for action in (act, act)]
    assert (await operator.says("audit", "verify"))[0] == 0


async def test_what_is_replayed_after_its_cause_is_gone_goes_through_one_first_then_the_rest(bridge: Bridge) -> None:
    """The same letters, sent as they are; the cause was that the order could not be read, which it still cannot."""
    operator = Operator(bridge)
    for number in range(3):
        await a_poisoned_order(bridge, f"poison-many-{number}")

    async def three() -> bool:
        found = await operator("dlq", "list", "--each")
        return sum(letter["event"].startswith("poison-many") for letter in found) == 3

    await bridge.until("three letters", three)
    code, _, complaint = await operator.says("dlq", "replay", "--service", "heartland_writer", "--reason", "currency")
    assert code == 1
    assert "nothing else was sent" in complaint

    done = await operator("dlq", "discard", "--service", "heartland_writer", "--because", "made for a test")
    assert len(done) >= 3
    assert await operator("dlq", "list") == []
    assert [row.kind for row in await Alerts(bridge.database).list() if row.kind == "dead_letter"] == []


async def test_the_readmes_story_with_the_sandboxes_own_poison(bridge: Bridge) -> None:
    """Poison, the alerts, one corrected, the others replayed in vain, mended at the source, replayed."""
    operator = Operator(bridge)
    code, told, complaint = await operator.says("sandbox", "poison", "--count", "2")
    assert code == 0, complaint
    stated = [name.strip("#:,") for name in told.split() if name.startswith("#")]
    assert len(stated) == 3

    async def letters() -> bool:
        # The notices of one order come together or one by one.
        found = {(letter["service"], letter["key"]) for letter in await operator("dlq", "list", "--each")}
        return sorted(service for service, _ in found) == ["heartland_writer", "transformers", "transformers"]

    await bridge.until("letters of three orders", letters)
    reasons = sorted(row.reason.partition(": ")[2] for row in await Alerts(bridge.database).list())
    assert reasons == ["a currency is not an ISO code"] * 2 + ["record.currency (missing)"]

    [lost] = await operator("dlq", "list", "--service", "heartland_writer")
    [letter] = lost["letters"]
    report = await operator("dlq", "edit", letter, "--set", "record.currency=USD")
    assert report["sent"] == {letter: "applied"}

    code, _, complaint = await operator.says("dlq", "replay", "--reason", "not an ISO code")
    assert (code, "nothing else was sent" in complaint) == (1, True)
    code, told, complaint = await operator.says("sandbox", "mend")
    assert (code, told.count("#")) == (0, 2), complaint
    done = await operator("dlq", "replay", "--reason", "not an ISO code", "--rate", "5")
    assert len(done["sent"]) >= 2
    assert set(done["sent"].values()) <= {"applied", "duplicate", "echo"}

    for number in stated:
        [story] = await operator("trace", number)
        await bridge.in_heartland(story["shopify_id"])
    assert await operator("dlq", "list") == []
    assert await Alerts(bridge.database).list() == []


async def test_an_order_waits_for_the_item_that_the_sandbox_then_adds(bridge: Bridge) -> None:
    operator = Operator(bridge)
    code, told, complaint = await operator.says("sandbox", "order", "--missing-item")
    assert code == 0, complaint
    sku = told.split()[-1]

    async def waits() -> bool:
        return [row["waits_for"] for row in await operator("parked", "list")] == [f"item:{sku}"]

    await bridge.until("the order waits for its item", waits)
    [row] = await operator("parked", "list")
    assert (await operator.says("sandbox", "item", sku))[0] == 0
    await bridge.in_heartland(row["key"].rpartition("|")[2])
    assert await operator("parked", "list") == []
