"""The door for Heartland's hooks.

Heartland signs nothing: the unguessable token in the address is the only proof, and the body only a hint that a record
changed. A hook has no id of its own either, so its id is made from what it says: the same body twice is one event.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime

from aiohttp.web import BaseRequest

from services.ingress.notice import Kind, Notice, kind, moment, notice, valid_trace
from services.ingress.refusal import BAD_SIGNATURE, UNKNOWN_TOPIC, Refused
from services.ingress.request import read_strictly, whole_id
from services.ingress.strict import StrictReader
from shared.connectors.heartland.account import HeartlandAccount
from shared.messaging.topics import RAW_HEARTLAND_CUSTOMER, RAW_HEARTLAND_PRODUCT, RAW_HEARTLAND_SALE, Topic

# The hooks seen in use. `sales_transaction_completed` tells of tickets and of returns, and again when one is changed.
EVENTS: dict[str, tuple[Topic, str]] = {
    "item_created": (RAW_HEARTLAND_PRODUCT, "product"),
    "item_updated": (RAW_HEARTLAND_PRODUCT, "product"),
    "customer_created": (RAW_HEARTLAND_CUSTOMER, "customer"),
    "customer_updated": (RAW_HEARTLAND_CUSTOMER, "customer"),
    "sales_transaction_completed": (RAW_HEARTLAND_SALE, "sale"),
}


class HeartlandDoor:
    """Takes the hooks of one connection."""

    def __init__(self, connection: str, account: HeartlandAccount, reader: StrictReader) -> None:
        self._tokens = [token.encode() for token in account.hook_tokens]
        self._reader = reader
        self._kinds = {event: _kind(connection, event) for event in EVENTS}

    def take(self, request: BaseRequest, event: str, token: str, body: bytes, now: datetime) -> Notice:
        """The notice in a hook. Raises Refused."""
        if not self._knows(token):
            raise Refused(BAD_SIGNATURE)
        record = read_strictly(self._reader, body)
        kind = self._kinds.get(event)
        if kind is None:
            raise Refused(UNKNOWN_TOPIC)
        return notice(
            kind,
            event_id=hashlib.sha256(event.encode() + b"\n" + body).hexdigest().encode(),
            subject=whole_id(record.get("id")),
            time=moment(None, now),
            trace=valid_trace(request.headers.get("traceparent")),
            body=body,
            extra=[],
        )

    def _knows(self, token: str) -> bool:
        given = token.encode("utf-8", "surrogateescape")
        fits = [hmac.compare_digest(known, given) for known in self._tokens]
        return any(fits)


def _kind(connection: str, event: str) -> Kind:
    topic, entity = EVENTS[event]
    return kind(
        connection,
        topic,
        entity=entity,
        source="heartland",
        happened=event,
        extra=(("x-heartland-event", event),),
    )
