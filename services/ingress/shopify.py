"""Receives Shopify's webhooks: verifies the signature and builds the notice.

The signature covers the body only, so headers are trusted as little as possible: the topic only selects the path of
the record's id in the body, and the shop's domain must be the connection's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp.web import BaseRequest

from services.ingress.notice import NoticeTemplate, WebhookNotice, moment, notice, template, valid_trace
from services.ingress.rejection import BAD_SIGNATURE, UNKNOWN_TOPIC, WRONG_SHOP, WebhookRejected
from services.ingress.request import check_unique, id_in, plain, read_strictly, required, whole_id
from services.ingress.strict_json import StrictJsonReader
from shared.connectors.shopify.account import ShopifyAccount
from shared.connectors.shopify.signature import verify
from shared.entities.spec import Source, Spec
from shared.entities.table import ENTITIES, webhooks
from shared.messaging.envelope import Headers

TOPIC, HMAC = "X-Shopify-Topic", "X-Shopify-Hmac-Sha256"
# Headers that are copied to the Kafka record, for tracing and support.
_COPIED = (
    ("X-Shopify-Event-Id", "x-shopify-event-id"),
    ("X-Shopify-Triggered-At", "x-shopify-triggered-at"),
    ("X-Shopify-API-Version", "x-shopify-api-version"),
)


@dataclass(frozen=True, slots=True)
class _Topic:
    """What is prepared once per connection and webhook topic."""

    template: NoticeTemplate
    id_path: tuple[str, ...]


class ShopifyReceiver:
    """Receives the webhooks of one connection."""

    def __init__(
        self,
        connection: str,
        account: ShopifyAccount,
        reader: StrictJsonReader,
        entities: Sequence[Spec] = ENTITIES,
    ) -> None:
        self._secrets = account.webhook_secrets
        self._shop = account.shop_domain.lower()
        self._reader = reader
        self._topics = {
            name: _Topic(_template(connection, name, spec, source), webhook.id_path)
            for name, (spec, source, webhook) in webhooks("shopify", entities).items()
        }

    def check(self, request: BaseRequest) -> None:
        """Check the headers before the body is read. Raises WebhookRejected."""
        check_unique(request, b"x-shopify-")
        required(request, TOPIC)
        required(request, HMAC)

    def receive(self, request: BaseRequest, body: bytes, now: datetime) -> WebhookNotice:
        """Verify a webhook and build its notice. Raises WebhookRejected."""
        headers = request.headers
        if not verify(body, headers[HMAC], self._secrets):
            raise WebhookRejected(BAD_SIGNATURE)
        if headers.get("X-Shopify-Shop-Domain", self._shop).lower() != self._shop:
            raise WebhookRejected(WRONG_SHOP)
        record = read_strictly(self._reader, body)
        topic = self._topics.get(headers[TOPIC])
        if topic is None:
            raise WebhookRejected(UNKNOWN_TOPIC)
        return notice(
            topic.template,
            event_id=plain(headers.get("X-Shopify-Webhook-Id", "")) or hashlib.sha256(body).hexdigest().encode(),
            subject=whole_id(id_in(record, topic.id_path)),
            time=moment(headers.get("X-Shopify-Triggered-At"), now),
            trace=valid_trace(headers.get("traceparent")),
            body=body,
            extra=_copied(headers),
        )


def _template(connection: str, name: str, spec: Spec, source: Source) -> NoticeTemplate:
    return template(
        connection,
        source.topic,
        entity=spec.name,
        source="shopify",
        happened=name,
        extra=(("x-shopify-topic", name),),
    )


def _copied(headers: Mapping[str, str]) -> Headers:
    return [(name, plain(value)) for header, name in _COPIED if (value := headers.get(header))]
