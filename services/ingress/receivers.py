"""Webhook receivers per connection, cached: secrets, tokens and header bytes are prepared once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from services.ingress.heartland import HeartlandReceiver
from services.ingress.rejection import UNKNOWN_CONNECTION, UNKNOWN_PATH, WebhookRejected
from services.ingress.shopify import ShopifyReceiver
from services.ingress.strict_json import StrictJsonReader
from shared.connectors.heartland.account import HeartlandAccount
from shared.connectors.shopify.account import ShopifyAccount
from shared.entities.spec import Spec
from shared.entities.table import ENTITIES
from shared.errors import Misconfigured
from shared.state.connections import Connection

Find = Callable[[str], Connection | None]

# A connection's webhooks use a few paths. What is rejected is not cached.
_REMEMBERED_PATHS = 256


@dataclass(frozen=True, slots=True)
class Receivers:
    """The receivers of one connection; None for a system whose credentials cannot be read."""

    connection: Connection
    shopify: ShopifyReceiver | None
    heartland: HeartlandReceiver | None


class ReceiverCache:
    """Builds receivers and caches them. A reloaded connection (a rotated secret, say) gets new ones."""

    def __init__(self, find: Find, entities: Sequence[Spec] = ENTITIES) -> None:
        self._entities = entities
        self._find = find
        self._reader = StrictJsonReader()
        self._receivers: dict[str, Receivers] = {}

    def of(self, name: str) -> Receivers:
        """The receivers of the connection `name`. Raises WebhookRejected for an unknown connection."""
        connection = self._find(name)
        if connection is None:
            self._receivers.pop(name, None)
            raise WebhookRejected(UNKNOWN_CONNECTION)
        receivers = self._receivers.get(name)
        if receivers is None or receivers.connection is not connection:
            receivers = self._receivers[name] = self._build(connection)
        return receivers

    def _build(self, connection: Connection) -> Receivers:
        return Receivers(connection, self._shopify(connection), self._heartland(connection))

    def _shopify(self, connection: Connection) -> ShopifyReceiver | None:
        try:
            account = ShopifyAccount.read(connection.credentials.get("shopify", {}))
        except Misconfigured:
            return None
        return ShopifyReceiver(connection.name, account, self._reader, self._entities)

    def _heartland(self, connection: Connection) -> HeartlandReceiver | None:
        try:
            account = HeartlandAccount.read(connection.credentials.get("heartland", {}))
        except Misconfigured:
            return None
        return HeartlandReceiver(connection.name, account, self._reader, self._entities)


@dataclass(frozen=True, slots=True)
class WebhookPath:
    """`/webhooks/shopify/{connection}` or `/webhooks/heartland/{connection}/{event}/{token}`."""

    system: str
    connection: str
    event: str = ""
    token: str = ""


@lru_cache(_REMEMBERED_PATHS)
def parse_path(path: str) -> WebhookPath:
    """Parse a raw request path, with or without a query. Raises WebhookRejected."""
    parts = path.partition("?")[0].split("/")
    if "%" in path:
        parts = [unquote(part) for part in parts]
    match parts:
        case ["", "webhooks", "shopify", connection]:
            return WebhookPath("shopify", connection)
        case ["", "webhooks", "heartland", connection, event, token]:
            return WebhookPath("heartland", connection, event, token)
    raise WebhookRejected(UNKNOWN_PATH)
