"""Stores the connection of a local run; all data of a sandbox connection is deleted first."""

from __future__ import annotations

from deploy.local.account import ConnectionInput
from shared.operations.connections import put_connection
from shared.runtime.settings import Settings
from shared.state.database import Database


async def connect(database: Database, settings: Settings, described: ConnectionInput, *, forget_first: bool) -> None:
    """Stores the connection. `forget_first`: deletes all stored data of its records first.

    Stored settings stay in use unless the environment names a settings file. Raises Misconfigured for invalid settings,
    and if data of real accounts would be deleted; TargetDown if the database is unreachable.
    """
    await put_connection(
        database,
        settings.secret_key,
        described.connection,
        keep_settings=not described.names_settings,
        forget_records=forget_first,
    )
