"""Stores the connection of a local run; all data of a sandbox connection is deleted first."""

from __future__ import annotations

import json

from deploy.local.account import ConnectionInput
from shared.operations.connections import put_connection
from shared.operations.definitions import Published
from shared.runtime.settings import Settings
from shared.state.database import Database


async def connect(
    database: Database,
    settings: Settings,
    described: ConnectionInput,
    *,
    forget_first: bool,
    author: str = "tillbridge",
) -> Published | None:
    """Stores the connection; returns what it published.

    `forget_first`: deletes all stored data of its records first.

    Stored settings stay in use unless the environment names a settings file. Raises Misconfigured for invalid settings,
    and if data of real accounts would be deleted; TargetDown if the database is unreachable.
    """
    return await put_connection(
        database,
        settings.secret_key,
        described.connection,
        keep_settings=not described.names_settings,
        forget_records=forget_first,
        author=author,
        because="the settings file of the environment" if described.names_settings else "connected",
    )


def published_line(connection: str, published: Published) -> str:
    """One line: the new version, and what it changed."""
    changed = ", ".join(f"{one.path}: {_json(one.before)} -> {_json(one.after)}" for one in published.changes)
    return f"connection {connection}: version {published.version} of the settings is published; {changed}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
