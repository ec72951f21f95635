"""`tillbridge connect`: the accounts that the environment names, as one connection in the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from deploy.local.account import connection_from, read_files, wants_sandbox
from deploy.local.connect import connect as store_connection
from deploy.local.connect import published_line
from services.cli.options import operator, run_operation
from services.cli.running_system import environment
from shared.operations.definitions import Published
from shared.runtime.output import console
from shared.runtime.settings import Settings
from shared.state.database import Database

# The sandbox of docker-compose.yml, for a setup without accounts.
COMPOSE_SANDBOX = "http://sandbox:8090"
app = typer.Typer(add_completion=False)


@app.command()
def connect(
    sandbox: Annotated[
        str, typer.Option(help="Address of the sandbox, used where the environment names no accounts.")
    ] = COMPOSE_SANDBOX,
) -> None:
    """Put the accounts that the environment names into the database, as one connection."""
    name, imitated, published = run_operation(connect_accounts(environment(), sandbox))
    console().print(f"connection {name}: {'the sandbox' if imitated else 'your accounts'}", markup=False)
    if published:
        console().print(published_line(name, published), markup=False, soft_wrap=True)


async def connect_accounts(environ: Mapping[str, str], sandbox: str) -> tuple[str, bool, Published | None]:
    """The connection's name, whether it leads to the sandbox, and what settings were published.

    Raises Misconfigured, Rejected, TargetDown.
    """
    environ = read_files(environ)
    settings = Settings.from_env(environ)
    described = connection_from(environ, sandbox)
    async with Database.open(settings.database_url, 1) as database:
        published = await store_connection(
            database, settings, described, forget_first=wants_sandbox(environ), author=operator()
        )
    return described.connection.name, wants_sandbox(environ), published
