"""Puts a connection into the database; one with the sandbox begins with empty books, as the sandbox does."""

from __future__ import annotations

from deploy.local.account import ConnectionInput
from shared.entities.settings_model import settings_check
from shared.errors import Misconfigured
from shared.runtime.settings import Settings
from shared.state.connections import Connection, ConnectionStore
from shared.state.database import Database
from shared.state.purge import forget


async def connect(database: Database, settings: Settings, described: ConnectionInput, *, anew: bool) -> None:
    """Store the connection. `anew`: forget first what is known of the records behind it.

    Settings that are stored stay in use unless the environment names a file of settings. Raises Misconfigured for
    settings that cannot be used, and where it would forget a connection with real accounts; TargetDown without a
    database.
    """
    connection = described.connection
    store = ConnectionStore(database, settings.secret_key, settings_check())
    if anew:
        # Those of a former release may have settings that no longer count: what matters here is whose they are.
        stored = await ConnectionStore(database, settings.secret_key).all()
        known = {each.name: each for each in stored}
        if connection.name in known and not is_sandbox(known[connection.name]):
            raise Misconfigured(
                f"the database holds connection {connection.name!r} with real accounts: give the sandbox another "
                "CONNECTION_NAME or another DATABASE_URL"
            )
        await forget(database, connection.name)
    await store.put(connection, keep_settings=not described.names_settings)


def is_sandbox(connection: Connection) -> bool:
    """Real shops are reached by their domain; only the sandbox has an address of its own."""
    return bool(connection.credentials.get("shopify", {}).get("base_url"))
