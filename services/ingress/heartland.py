"""The door for Heartland's hooks.

Heartland signs nothing: the unguessable token in the address is the only proof, and the body only a hint that a record
changed. A hook has no id of its own either, so its id is made from what it says: the same body twice is one event.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from aiohttp.web import BaseRequest

from services.ingress.notice import Kind, Notice, kind, moment, notice, valid_trace
from services.ingress.refusal import BAD_SIGNATURE, UNKNOWN_TOPIC, Refused
from services.ingress.request import id_in, read_strictly, whole_id
from services.ingress.strict import StrictReader
from shared.connectors.heartland.account import HeartlandAccount
from shared.entities.spec import Source, Spec
from shared.entities.table import ENTITIES, webhooks


class HeartlandDoor:
    """Takes the hooks of one connection."""

    def __init__(
        self,
        connection: str,
        account: HeartlandAccount,
        reader: StrictReader,
        entities: Sequence[Spec] = ENTITIES,
    ) -> None:
        self._tokens = [token.encode() for token in account.hook_tokens]
        self._reader = reader
        self._events = {
            name: (_kind(connection, name, spec, source), webhook.id_path)
            for name, (spec, source, webhook) in webhooks("heartland", entities).items()
        }

    def take(self, request: BaseRequest, event: str, token: str, body: bytes, now: datetime) -> Notice:
        """The notice in a hook. Raises Refused."""
        if not self._knows(token):
            raise Refused(BAD_SIGNATURE)
        record = read_strictly(self._reader, body)
        if event not in self._events:
            raise Refused(UNKNOWN_TOPIC)
        kind, id_path = self._events[event]
        return notice(
            kind,
            event_id=hashlib.sha256(event.encode() + b"\n" + body).hexdigest().encode(),
            subject=whole_id(id_in(record, id_path)),
            time=moment(None, now),
            trace=valid_trace(request.headers.get("traceparent")),
            body=body,
            extra=[],
        )

    def _knows(self, token: str) -> bool:
        given = token.encode("utf-8", "surrogateescape")
        fits = [hmac.compare_digest(known, given) for known in self._tokens]
        return any(fits)


def _kind(connection: str, event: str, spec: Spec, source: Source) -> Kind:
    return kind(
        connection,
        source.topic,
        entity=spec.name,
        source="heartland",
        happened=event,
        extra=(("x-heartland-event", event),),
    )
