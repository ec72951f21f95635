"""Preview of a canonical link: the calls it would lead to, without making them."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from shared.connectors.shopify.client import ShopifyClient
from shared.connectors.shopify.dry_run import DryRunClient, Json
from shared.entities.order.shopify.documents import SET_METAFIELDS
from shared.entities.order.to_shopify.link_sync import LinkInShopify, LinkWriters
from shared.entities.parts import Preview, PreviewParts
from shared.state.dry_ledger import DryAtomicWriter
from shared.sync.sync import Sync

_ANSWERS: dict[str, Json] = {SET_METAFIELDS.name: {"metafieldsSet": {"userErrors": []}}}


async def preview(parts: PreviewParts, connection: str, body: bytes) -> Preview:
    """The preview of the event in `body`. Raises Rejected for a body that is no canonical link."""
    shop = parts.clients.shopify.get(connection)
    dry_run = DryRunClient(shop.client, _ANSWERS)
    dry_shop = replace(shop, client=cast("ShopifyClient", dry_run))
    links = Sync(
        LinkInShopify(lambda _: dry_shop, LinkWriters(0)),
        writer=DryAtomicWriter(parts.database, parts.clock),
        clock=parts.clock,
    )
    verdict, problem = await links.preview(body)
    return Preview(verdict, dry_run.calls, problem)
