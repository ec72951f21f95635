"""Receives Heartland's webhooks: checks the token and builds the notice.

Heartland does not sign webhooks: the secret token in the URL is the only authentication, so the body is only taken as a
hint that a record changed. Its webhooks carry no id either, so the event id is a hash of event name and body: the same
body sent twice is one event.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from aiohttp.web import BaseRequest

from services.ingress.notice import NoticeTemplate, WebhookNotice, moment, notice, template, valid_trace
from services.ingress.rejection import BAD_SIGNATURE, UNKNOWN_TOPIC, WebhookRejected
from services.ingress.request import id_in, read_strictly, whole_id
from services.ingress.strict_json import StrictJsonReader
from shared.connectors.heartland.account import HeartlandAccount
from shared.entities.spec import Source, Spec
from shared.entities.table import ENTITIES, webhooks


class HeartlandReceiver:
    """Receives the webhooks of one connection."""

    def __init__(
        self,
        connection: str,
        account: HeartlandAccount,
        reader: StrictJsonReader,
        entities: Sequence[Spec] = ENTITIES,
    ) -> None:
        self._tokens = [token.encode() for token in account.hook_tokens]
        self._reader = reader
        self._events = {
            name: (_template(connection, name, spec, source), webhook.id_path)
            for name, (spec, source, webhook) in webhooks("heartland", entities).items()
        }

    def receive(self, request: BaseRequest, event: str, token: str, body: bytes, now: datetime) -> WebhookNotice:
        """Check a webhook and build its notice. Raises WebhookRejected."""
        if not self._is_valid(token):
            raise WebhookRejected(BAD_SIGNATURE)
        record = read_strictly(self._reader, body)
        if event not in self._events:
            raise WebhookRejected(UNKNOWN_TOPIC)
        prepared, id_path = self._events[event]
        return notice(
            prepared,
            event_id=hashlib.sha256(event.encode() + b"\n" + body).hexdigest().encode(),
            subject=whole_id(id_in(record, id_path)),
            time=moment(None, now),
            trace=valid_trace(request.headers.get("traceparent")),
            body=body,
            extra=[],
        )

    def _is_valid(self, token: str) -> bool:
        given = token.encode("utf-8", "surrogateescape")
        # All tokens are compared, so that the time taken does not reveal which one matches.
        matches = [hmac.compare_digest(known, given) for known in self._tokens]
        return any(matches)


def _template(connection: str, event: str, spec: Spec, source: Source) -> NoticeTemplate:
    return template(
        connection,
        source.topic,
        entity=spec.name,
        source="heartland",
        happened=event,
        extra=(("x-heartland-event", event),),
    )
