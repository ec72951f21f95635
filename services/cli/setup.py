"""`tillbridge migrate` and `tillbridge connect`: what has to be there before the services start."""

from __future__ import annotations

from collections.abc import Mapping

from deploy.local.account import connection_from, read_files, wants_sandbox
from deploy.local.connect import connect
from shared.entities.table import topics
from shared.messaging.kafka.admin import create_topics
from shared.runtime.settings import Settings
from shared.state.connections import Connection
from shared.state.database import Database, migrate


async def migrate_all(environ: Mapping[str, str]) -> list[str]:
    """The migrations that were applied now. Raises Misconfigured, or TargetDown when a server does not answer."""
    settings = Settings.from_env(environ)
    applied = await migrate(settings.database_url)
    await create_topics(settings, topics())
    return applied


async def connect_accounts(environ: Mapping[str, str], sandbox: str) -> tuple[str, bool]:
    """The connection's name, and whether it leads to the sandbox. Raises Misconfigured, TargetDown."""
    environ = read_files(environ)
    settings = Settings.from_env(environ)
    connection = Connection(*connection_from(environ, sandbox))
    async with Database.open(settings.database_url, 1) as database:
        await connect(database, settings, connection, anew=wants_sandbox(environ))
    return connection.name, wants_sandbox(environ)
