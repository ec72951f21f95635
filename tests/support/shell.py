"""A service's shell for tests: settings without an environment, a health server on a free port."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.runtime.clock import Clock
from shared.runtime.service import Shell, open_shell
from shared.runtime.settings import Settings

SECRET_KEY = base64.b64encode(bytes(range(32))).decode()


def some_settings(**more: object) -> Settings:
    """The common settings; whoever needs a broker or a database names it."""
    values = {"kafka_bootstrap_servers": "127.0.0.1:1", "database_url": "postgresql://", "secret_key": SECRET_KEY}
    return Settings.model_validate(values | more)


@asynccontextmanager
async def a_shell(
    settings: Settings | None = None,
    *,
    name: str = "test",
    stop: asyncio.Event | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Shell]:
    async with open_shell(name, settings or some_settings(), stop or asyncio.Event(), clock) as shell:
        yield shell
