"""Stores the connection of a local run; all data of a sandbox connection is deleted first."""

from __future__ import annotations

from deploy.local.account import ConnectionInput
from shared.entities.settings_model import settings_check
from shared.errors import Misconfigured
from shared.runtime.settings import Settings
from shared.state.connections import Connection, ConnectionStore
from shared.state.database import Database
from shared.state.purge import forget


async def connect(database: Database, settings: Settings, described: ConnectionInput, *, forget_first: bool) -> None:
    """Stores the connection. `forget_first`: deletes all stored data of its records first.

    Stored settings stay in use unless the environment names a settings file. Raises Misconfigured for invalid settings,
    and if data of real accounts would be deleted; TargetDown if the database is unreachable.
    """
    connection = described.connection
    store = ConnectionStore(database, settings.secret_key, settings_check())
    if forget_first:
        # Without the settings check: a connection of an earlier release may have settings that are no longer valid.
        stored = await ConnectionStore(database, settings.secret_key).all()
        known = {each.name: each for each in stored}
        if connection.name in known and not is_sandbox(known[connection.name]):
            raise Misconfigured(
                f"the database has the connection {connection.name!r} of real accounts: give the sandbox another "
                "CONNECTION_NAME or another DATABASE_URL"
            )
        await forget(database, connection.name)
    await store.put(connection, keep_settings=not described.names_settings)


def is_sandbox(connection: Connection) -> bool:
    """Whether the connection is to the sandbox: only its credentials have a Shopify base URL."""
    return bool(connection.credentials.get("shopify", {}).get("base_url"))
