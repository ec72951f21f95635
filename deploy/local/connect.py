"""Puts a connection into the database; one with the sandbox begins with empty books, as the sandbox does."""

from __future__ import annotations

from shared.errors import Misconfigured
from shared.runtime.settings import Settings
from shared.state.connections import Connection, ConnectionStore
from shared.state.database import Database
from shared.state.purge import forget


async def connect(database: Database, settings: Settings, connection: Connection, *, anew: bool) -> None:
    """Store the connection. `anew`: forget first what is known of the records behind it.

    Raises Misconfigured where that would forget a connection with real accounts, TargetDown without a database.
    """
    store = ConnectionStore(database, settings.secret_key)
    if anew:
        known = {each.name: each for each in await store.all()}
        if connection.name in known and not is_sandbox(known[connection.name]):
            raise Misconfigured(
                f"the database holds connection {connection.name!r} with real accounts: give the sandbox another "
                "CONNECTION_NAME or another DATABASE_URL"
            )
        await forget(database, connection.name)
    await store.put(connection)


def is_sandbox(connection: Connection) -> bool:
    """Real shops are reached by their domain; only the sandbox has an address of its own."""
    return bool(connection.credentials.get("shopify", {}).get("base_url"))
