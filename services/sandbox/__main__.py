"""Runs the sandbox as a process: prints its URL, and ends on SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from aiohttp import web
from pydantic import ValidationError

from services.sandbox.app import build_app
from services.sandbox.settings import Settings
from services.sandbox.world import World


async def run(settings: Settings, stop: asyncio.Event) -> None:
    world = World(settings)
    runner = web.AppRunner(build_app(world), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.sandbox_host, settings.sandbox_port).start()
        host, port = runner.addresses[0][:2]
        world.url = f"http://{host}:{port}"
        print(f"sandbox: {world.url}", flush=True)  # noqa: T201 - the parent process reads the port here
        await stop.wait()
    finally:
        await runner.cleanup()


async def until_signal(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(settings, stop)


def main() -> int:
    try:
        settings = Settings.from_env(os.environ)
    except ValidationError as error:
        for wrong in error.errors():
            sys.stderr.write(f"{'.'.join(map(str, wrong['loc'])).upper()}: {wrong['msg']}\n")
        return 78
    asyncio.run(until_signal(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
