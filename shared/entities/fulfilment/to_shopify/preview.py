"""Preview of a canonical fulfilment: the calls it would lead to, without making them.

The writer's own code runs against the current state of Shopify and the database. Queries are sent; mutations are only
recorded, and nothing is stored.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

from shared.connectors.shopify.client import ShopifyClient
from shared.connectors.shopify.dry_run import DryRunClient
from shared.entities.fulfilment.shopify.documents import CREATE_FULFILMENT, UPDATE_TRACKING
from shared.entities.fulfilment.to_shopify.fulfilment_sync import FulfilmentInShopify
from shared.entities.parts import Preview, PreviewParts
from shared.state.dry_ledger import DryAtomicWriter, DryLedger
from shared.sync.create_once import CreateOnce, ReadLag
from shared.sync.sync import Sync

_MADE_UP = {"fulfillment": {"id": "gid://shopify/Fulfillment/0"}, "userErrors": []}
_ANSWERS = {
    CREATE_FULFILMENT.name: {"fulfillmentCreate": _MADE_UP},
    UPDATE_TRACKING.name: {"fulfillmentTrackingInfoUpdate": _MADE_UP},
}
# A preview need not wait for writes of another process that reads may not show yet, unless the ledger has them.
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


async def preview(parts: PreviewParts, connection: str, body: bytes) -> Preview:
    """The preview of the event in `body`. Raises Rejected for a body that is no canonical fulfilment."""
    shop = parts.clients.shopify.get(connection)
    dry_run = DryRunClient(shop.client, _ANSWERS)
    dry_shop = replace(shop, client=cast("ShopifyClient", dry_run))
    ledger = DryLedger(parts.database, parts.clock)
    create_once = CreateOnce(ledger, parts.clock, _LONG_AGO)
    fulfilments = Sync(
        FulfilmentInShopify(lambda _: dry_shop, ledger, create_once, ReadLag(parts.shopify_read_lag_seconds)),
        writer=DryAtomicWriter(parts.database, parts.clock, ledger),
        clock=parts.clock,
    )
    verdict, problem = await fulfilments.preview(body)
    return Preview(verdict, dry_run.calls, problem)
