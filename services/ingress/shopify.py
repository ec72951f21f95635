"""The door for Shopify's webhooks.

The signature covers the body and nothing else, so no header is believed further than it has to be: the topic picks the
reader of the id, the shop's domain must be the connection's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from aiohttp.web import BaseRequest

from services.ingress.notice import Kind, Notice, kind, moment, notice, valid_trace
from services.ingress.refusal import BAD_SIGNATURE, UNKNOWN_TOPIC, WRONG_SHOP, Refused
from services.ingress.request import check_unique, plain, read_strictly, required, whole_id
from services.ingress.strict import Json, StrictReader
from shared.connectors.shopify.account import ShopifyAccount
from shared.connectors.shopify.signature import verify
from shared.messaging.envelope import Headers
from shared.messaging.topics import RAW_SHOPIFY_ORDER

TOPIC, HMAC = "X-Shopify-Topic", "X-Shopify-Hmac-Sha256"
# Headers that travel on for people and for correlation, as they came.
_CARRIED = (
    ("X-Shopify-Event-Id", "x-shopify-event-id"),
    ("X-Shopify-Triggered-At", "x-shopify-triggered-at"),
    ("X-Shopify-API-Version", "x-shopify-api-version"),
)


def _own_id(body: Json) -> Any:
    return body.get("id")


def _order_id(body: Json) -> Any:
    return body.get("order_id")


def _edited_order_id(body: Json) -> Any:
    edit = body.get("order_edit")
    return edit.get("order_id") if isinstance(edit, dict) else None


# Which order a notice is about. Everything that happens to an order travels under the order's id, in order.
ORDER_OF: dict[str, Callable[[Json], Any]] = {
    "orders/create": _own_id,
    "orders/updated": _own_id,
    "orders/paid": _own_id,
    "orders/cancelled": _own_id,
    "orders/fulfilled": _own_id,
    "orders/partially_fulfilled": _own_id,
    "orders/delete": _own_id,
    "orders/edited": _edited_order_id,
    "refunds/create": _order_id,
    "order_transactions/create": _order_id,
    "fulfillments/create": _order_id,
    "fulfillments/update": _order_id,
}


class ShopifyDoor:
    """Takes the deliveries of one connection."""

    def __init__(self, connection: str, account: ShopifyAccount, reader: StrictReader) -> None:
        self._secrets = account.webhook_secrets
        self._shop = account.shop_domain.lower()
        self._reader = reader
        self._kinds = {topic: _kind(connection, topic) for topic in ORDER_OF}

    def check(self, request: BaseRequest) -> None:
        """What can be told before the body is read. Raises Refused."""
        check_unique(request, b"x-shopify-")
        required(request, TOPIC)
        required(request, HMAC)

    def take(self, request: BaseRequest, body: bytes, now: datetime) -> Notice:
        """The notice in a delivery. Raises Refused."""
        headers = request.headers
        if not verify(body, headers[HMAC], self._secrets):
            raise Refused(BAD_SIGNATURE)
        if headers.get("X-Shopify-Shop-Domain", self._shop).lower() != self._shop:
            raise Refused(WRONG_SHOP)
        record = read_strictly(self._reader, body)
        topic = headers[TOPIC]
        kind = self._kinds.get(topic)
        if kind is None:
            raise Refused(UNKNOWN_TOPIC)
        return notice(
            kind,
            event_id=plain(headers.get("X-Shopify-Webhook-Id", "")) or hashlib.sha256(body).hexdigest().encode(),
            subject=whole_id(ORDER_OF[topic](record)),
            time=moment(headers.get("X-Shopify-Triggered-At"), now),
            trace=valid_trace(headers.get("traceparent")),
            body=body,
            extra=_carried(headers),
        )


def _kind(connection: str, topic: str) -> Kind:
    return kind(
        connection,
        RAW_SHOPIFY_ORDER,
        entity="order",
        source="shopify",
        happened=topic,
        extra=(("x-shopify-topic", topic),),
    )


def _carried(headers: Mapping[str, str]) -> Headers:
    return [(name, plain(value)) for header, name in _CARRIED if (value := headers.get(header))]
