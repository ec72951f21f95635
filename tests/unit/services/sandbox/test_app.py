"""Latency, faults, journal and reset of both vendors."""

from __future__ import annotations

import asyncio
from time import perf_counter

import aiohttp
import pytest

from tests.support.sandbox import Sandbox, open_sandbox

ITEM = {"public_id": "TEE", "description": "Tee"}


async def count(sandbox: Sandbox) -> int:
    summary = await sandbox.control("GET", "/heartland/summary")
    return int(summary["items"])


@pytest.mark.parametrize(
    ("kind", "status", "made"),
    [("error_before", 500, 0), ("error_after", 500, 1), ("throttle", 429, 0), ("unauthorized", 401, 0),
     ("forbidden", 403, 0), ("html", 503, 0), ("garbage", 200, 1)],
)  # fmt: skip
async def test_a_fault_before_applies_nothing_and_one_after_everything(kind: str, status: int, made: int) -> None:
    async with open_sandbox() as sandbox:
        await sandbox.faults({"system": "heartland", "kind": kind, "retry_after": 2})

        answer = await sandbox.heartland("POST", "items", ITEM)

        assert answer.status == status
        assert await count(sandbox) == made
        assert len(await sandbox.journal("heartland")) == made
        assert await sandbox.fault_hits() == [1]


@pytest.mark.parametrize(("kind", "made"), [("timeout_before", 0), ("timeout_after", 1)])
async def test_a_timeout_holds_the_connection_without_a_byte(kind: str, made: int) -> None:
    async with open_sandbox() as sandbox:
        await sandbox.faults({"system": "heartland", "kind": kind, "times": 1})

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sandbox.heartland("POST", "items", ITEM), 0.2)

        assert await count(sandbox) == made


async def test_a_timeout_of_some_seconds_ends_with_the_connection() -> None:
    async with open_sandbox() as sandbox:
        await sandbox.faults({"system": "heartland", "kind": "timeout_before", "seconds": 0.1})

        with pytest.raises(aiohttp.ClientError):
            await sandbox.heartland("POST", "items", ITEM)


async def test_an_outage_closes_the_connection_and_leaves_the_control_api_working() -> None:
    async with open_sandbox() as sandbox:
        await sandbox.faults({"system": "heartland", "kind": "outage"})

        with pytest.raises(aiohttp.ClientError):
            await sandbox.heartland("GET", "items")
        assert (await sandbox.fault_hits())[0] >= 1

        await sandbox.control("DELETE", "/faults")
        assert (await sandbox.heartland("GET", "items")).status == 200


async def test_calls_above_the_concurrency_limit_are_throttled() -> None:
    async with open_sandbox(sandbox_latency_ms=50) as sandbox:
        await sandbox.faults({"system": "heartland", "kind": "concurrency", "limit": 1})

        answers = await asyncio.gather(*(sandbox.heartland("GET", "items") for _ in range(4)))

        statuses = sorted(answer.status for answer in answers)
        assert 429 in statuses
        assert 200 in statuses


async def test_latency_applies_to_vendor_calls_only() -> None:
    async with open_sandbox(sandbox_latency_ms=80) as sandbox:
        start = perf_counter()
        await sandbox.heartland("GET", "items")
        assert perf_counter() - start >= 0.08

        async with sandbox.session.get(sandbox.url + "/livez") as response:
            assert response.status == 200


async def test_invalid_faults_are_rejected() -> None:
    async with open_sandbox() as sandbox:
        for body in (b"", b"[]", b'{"faults": 1}', b'{"faults": [{"system": "moon", "kind": "slow"}]}'):
            async with sandbox.session.post(sandbox.url + "/_sandbox/faults", data=body) as response:
                assert response.status == 400


async def test_reset_restores_the_initial_state() -> None:
    async with open_sandbox() as sandbox:
        await sandbox.heartland("POST", "items", ITEM)
        await sandbox.faults({"system": "heartland", "kind": "outage"})

        await sandbox.reset()

        assert await count(sandbox) == 0
        assert await sandbox.journal() == []
        assert await sandbox.fault_hits() == []
        assert (await sandbox.heartland("POST", "items", ITEM)).id == 100001


async def test_the_journal_lists_writes_and_no_reads() -> None:
    async with open_sandbox() as sandbox:
        await sandbox.heartland("GET", "items")
        await sandbox.heartland("POST", "items", ITEM)
        await sandbox.heartland("POST", "items", ITEM)

        entries = await sandbox.journal("heartland")

        assert [entry["operation"] for entry in entries] == ["POST items"] * 2
        assert [entry["status"] for entry in entries] == [201, 400]
        assert entries[0]["body"] == ITEM
        assert entries[0]["response"] == {"location": "/api/items/100001"}


async def test_after_and_limit_are_numbers() -> None:
    async with (
        open_sandbox() as sandbox,
        sandbox.session.get(sandbox.url + "/_sandbox/journal?after=x") as response,
    ):
        assert response.status == 400
