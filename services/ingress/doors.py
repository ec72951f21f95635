"""Which door an address leads to. Doors hold what is made once per connection: secrets, tokens, header bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from services.ingress.heartland import HeartlandDoor
from services.ingress.refusal import UNKNOWN_CONNECTION, UNKNOWN_PATH, Refused
from services.ingress.shopify import ShopifyDoor
from services.ingress.strict import StrictReader
from shared.connectors.heartland.account import HeartlandAccount
from shared.connectors.shopify.account import ShopifyAccount
from shared.entities.spec import Spec
from shared.entities.table import ENTITIES
from shared.errors import Misconfigured
from shared.state.connections import Connection

Find = Callable[[str], Connection | None]


@dataclass(frozen=True, slots=True)
class Doors:
    """Both doors of one connection; None where its credentials cannot be read, so that nothing can be verified."""

    connection: Connection
    shopify: ShopifyDoor | None
    heartland: HeartlandDoor | None


class House:
    """All doors. A connection that was read again (a rotated secret, say) gets new ones."""

    def __init__(self, find: Find, entities: Sequence[Spec] = ENTITIES) -> None:
        self._entities = entities
        self._find = find
        self._reader = StrictReader()
        self._doors: dict[str, Doors] = {}

    def doors(self, name: str) -> Doors:
        """The doors of the connection `name`. Raises Refused where there is none."""
        connection = self._find(name)
        if connection is None:
            self._doors.pop(name, None)
            raise Refused(UNKNOWN_CONNECTION)
        doors = self._doors.get(name)
        if doors is None or doors.connection is not connection:
            doors = self._doors[name] = self._build(connection)
        return doors

    def _build(self, connection: Connection) -> Doors:
        return Doors(connection, self._shopify(connection), self._heartland(connection))

    def _shopify(self, connection: Connection) -> ShopifyDoor | None:
        try:
            account = ShopifyAccount.read(connection.credentials.get("shopify", {}))
        except Misconfigured:
            return None
        return ShopifyDoor(connection.name, account, self._reader, self._entities)

    def _heartland(self, connection: Connection) -> HeartlandDoor | None:
        try:
            account = HeartlandAccount.read(connection.credentials.get("heartland", {}))
        except Misconfigured:
            return None
        return HeartlandDoor(connection.name, account, self._reader, self._entities)


@dataclass(frozen=True, slots=True)
class Address:
    """`/webhooks/shopify/{connection}` or `/webhooks/heartland/{connection}/{event}/{token}`."""

    system: str
    connection: str
    event: str = ""
    token: str = ""


def read_address(path: str) -> Address:
    """The address in a raw path, with or without a query. Raises Refused."""
    parts = path.partition("?")[0].split("/")
    if "%" in path:
        parts = [unquote(part) for part in parts]
    match parts:
        case ["", "webhooks", "shopify", connection]:
            return Address("shopify", connection)
        case ["", "webhooks", "heartland", connection, event, token]:
            return Address("heartland", connection, event, token)
    raise Refused(UNKNOWN_PATH)
