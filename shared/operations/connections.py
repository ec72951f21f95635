"""Connections: list and show them without secrets, and store one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from shared.entities.settings_model import settings_check, settings_model
from shared.errors import Misconfigured, Rejected
from shared.operations.definitions import Edit, Published, publish_definitions
from shared.state.connections import Connection, ConnectionStore
from shared.state.database import Database
from shared.state.definitions import Definitions
from shared.state.purge import forget

# All other credentials are secrets.
_PUBLIC = ("shop_domain", "base_url")


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """A connection without its secrets.

    `accounts` has each vendor's shop domain and address, `credentials` the names of all stored credentials by vendor.
    """

    name: str
    definitions_version: int
    is_sandbox: bool
    accounts: Mapping[str, Mapping[str, str]]
    credentials: Mapping[str, Sequence[str]]


def is_sandbox(connection: Connection) -> bool:
    """Whether it leads to the sandbox.

    A real shop is reached by its domain, only the sandbox has an address.
    """
    return bool(connection.credentials.get("shopify", {}).get("base_url"))


def without_secrets(connection: Connection) -> ConnectionView:
    """What may be shown of a connection. Pure."""
    systems = connection.credentials.items()
    return ConnectionView(
        connection.name,
        connection.definitions_version,
        is_sandbox(connection),
        accounts={system: {name: own[name] for name in _PUBLIC if own.get(name)} for system, own in systems},
        credentials={system: sorted(name for name, value in own.items() if value) for system, own in systems},
    )


async def list_connections(database: Database, secret_key: SecretStr | str) -> list[ConnectionView]:
    """The active connections, by name. Raises Misconfigured for a key that cannot decrypt one, TargetDown."""
    return [without_secrets(connection) for connection in await ConnectionStore(database, secret_key).all()]


async def get_connection(database: Database, secret_key: SecretStr | str, name: str) -> ConnectionView:
    """The active connection of this name. Raises Rejected if there is none, Misconfigured, TargetDown."""
    store = ConnectionStore(database, secret_key)
    for row in await store.rows():
        if row["name"] == name:
            return without_secrets(store.open(row))
    raise Rejected(f"there is no connection {name!r}")


async def put_connection(
    database: Database,
    secret_key: SecretStr | str,
    connection: Connection,
    *,
    keep_settings: bool = False,
    forget_records: bool = False,
    author: str = "tillbridge",
    because: str = "connected",
) -> Published | None:
    """Store and activate a connection, replacing one of the same name.

    `keep_settings`: settings that are stored already stay in use. `forget_records`: delete all state of its records
    first, for a sandbox that starts empty. Settings of a connection that exists are published as by an operator, with
    audit rows, and only if an effective value differs; what was published is returned, None for nothing.

    Raises Misconfigured for a bad name or settings, and where that would delete the state of real accounts; Rejected
    where somebody else published meanwhile; TargetDown.
    """
    if forget_records:
        await _forget_sandbox(database, secret_key, connection.name)
    published = None
    if not keep_settings and await _exists(database, connection.name):
        edit = Edit(document=connection.settings)
        published = await publish_definitions(
            database, connection.name, edit, settings_model(), author=author, because=because
        )
    store = ConnectionStore(database, secret_key, settings_check())
    await store.put(connection, keep_settings=True, author=author, reason=because)
    return published if published and published.changes else None


async def _exists(database: Database, name: str) -> bool:
    try:
        await Definitions(database).get(name)
    except Rejected:
        return False
    return True


async def _forget_sandbox(database: Database, secret_key: SecretStr | str, name: str) -> None:
    # Without a check: settings of an earlier release may be invalid by now, only the credentials count here.
    stored = {known.name: known for known in await ConnectionStore(database, secret_key).all()}
    if name in stored and not is_sandbox(stored[name]):
        raise Misconfigured(
            f"the database holds connection {name!r} with real accounts: give the sandbox another CONNECTION_NAME or "
            "another DATABASE_URL"
        )
    await forget(database, name)
