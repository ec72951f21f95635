"""Preview of a canonical fulfilment: which calls it would lead to, without making them.

The writer's own code runs on what Shopify and our database hold now; nothing is stored.
"""

from __future__ import annotations

from typing import cast

from shared.canonical.event import read_event
from shared.connectors.shopify.client import ShopifyClient
from shared.connectors.shopify.dry_run import DryRunClient
from shared.entities.fulfilment.event import FulfilmentEvent
from shared.entities.fulfilment.shopify.documents import CREATE_FULFILMENT, UPDATE_TRACKING
from shared.entities.fulfilment.to_shopify.execute import ShipmentWriter
from shared.entities.parts import Preview, PreviewParts
from shared.errors import IntegrationError
from shared.limits.call_context import REPAIR
from shared.state.dry_ledger import DryLedger

_MADE_UP = {"fulfillment": {"id": "gid://shopify/Fulfillment/0"}, "userErrors": []}
_ANSWERS = {
    CREATE_FULFILMENT.name: {"fulfillmentCreate": _MADE_UP},
    UPDATE_TRACKING.name: {"fulfillmentTrackingInfoUpdate": _MADE_UP},
}


async def preview(parts: PreviewParts, connection: str, body: bytes) -> Preview:
    """What this event would lead to. Raises Rejected for a body that is no canonical fulfilment."""
    event = read_event(FulfilmentEvent, body, "fulfilment")
    shop = parts.clients.shopify.get(connection)
    dry_run = DryRunClient(shop.client, _ANSWERS)
    shipments = ShipmentWriter(DryLedger(parts.database, parts.clock), parts.clock, parts.shopify_read_lag_seconds)
    location = shop.rules.location_map.get(event.record.location_id, "")
    verdict, problem = "apply", ""
    try:
        outcome = (await shipments.write(event, cast("ShopifyClient", dry_run), location, REPAIR)).outcome
        verdict = "apply" if outcome == "applied" else outcome
    except IntegrationError as error:
        problem = error.reason
    return Preview(verdict, dry_run.calls, problem)
