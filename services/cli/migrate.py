"""`tillbridge migrate`: creates or updates the database schema and the Kafka topics."""

from __future__ import annotations

from collections.abc import Mapping

import typer

from services.cli.options import AsJson, run_operation
from services.cli.running_system import environment
from shared.entities.table import topics
from shared.messaging.kafka.admin import create_topics
from shared.runtime.output import console, print_json
from shared.runtime.settings import Settings
from shared.state.database import migrate as migrate_schema

app = typer.Typer(add_completion=False)


@app.command()
def migrate(as_json: AsJson = False) -> None:
    """Update the database schema and create missing Kafka topics. Safe to repeat."""
    applied = run_operation(migrate_all(environment()))
    if as_json:
        print_json(applied)
    else:
        console().print(f"schema: {', '.join(applied) or 'up to date'}; topics exist", markup=False)


async def migrate_all(environ: Mapping[str, str]) -> list[str]:
    """The migrations that were applied now.

    Raises Misconfigured, or TargetDown when a server does not answer.
    """
    settings = Settings.from_env(environ)
    applied = await migrate_schema(settings.database_url)
    await create_topics(settings, topics())
    return applied
