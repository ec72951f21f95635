"""The sandbox as a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp

ROOT = Path(__file__).parents[4]


async def start(**environ: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.sandbox", cwd=ROOT, env=dict(os.environ) | environ,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def test_it_prints_its_url_and_ends_on_sigterm() -> None:
    process = await start(SANDBOX_PORT="0")
    assert process.stdout is not None
    url = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().split()[-1]
    async with aiohttp.ClientSession() as session, session.get(url + "/readyz") as response:
        assert response.status == 200

    process.send_signal(signal.SIGTERM)

    assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_an_invalid_setting_is_named_in_one_line() -> None:
    process = await start(SANDBOX_PORT="many")

    _, errors = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode == 78
    assert errors.decode().startswith("SANDBOX_PORT: ")
