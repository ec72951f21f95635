"""Preview of a canonical link: which calls it would lead to, without making them."""

from __future__ import annotations

from typing import cast

from shared.canonical.event import read_event
from shared.connectors.shopify.client import ShopifyClient
from shared.connectors.shopify.dry_run import DryRunClient, Json
from shared.entities.order.event import LinkEvent
from shared.entities.order.shopify.documents import SET_METAFIELDS
from shared.entities.order.to_shopify.link import metafields, set_metafields
from shared.entities.parts import Preview, PreviewParts
from shared.errors import IntegrationError
from shared.limits.call_context import REPAIR

_ANSWERS: dict[str, Json] = {SET_METAFIELDS.name: {"metafieldsSet": {"userErrors": []}}}


async def preview(parts: PreviewParts, connection: str, body: bytes) -> Preview:
    """What this event would lead to. Raises Rejected for a body that is no canonical link."""
    event = read_event(LinkEvent, body, "link")
    shop = parts.clients.shopify.get(connection)
    dry_run = DryRunClient(shop.client, _ANSWERS)
    fields, problem = metafields(event.record, shop.rules.metafield_namespace), ""
    if not fields:
        return Preview("skipped", [], "")
    try:
        await set_metafields(cast("ShopifyClient", dry_run), fields, REPAIR)
    except IntegrationError as error:
        problem = error.reason
    return Preview("apply", dry_run.calls, problem)
