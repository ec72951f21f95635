"""Orders in the Shopify writer: the route of canonical links."""

from __future__ import annotations

from shared.entities.order.spec import CANONICAL_LINK
from shared.entities.order.to_shopify.link_sync import ENTITY, LinkInShopify, LinkWriters
from shared.entities.parts import EntityWriter, ShopifyWriterParts
from shared.messaging.record import Route
from shared.state.atomic_write import AtomicWriter
from shared.sync.sync import Sync


def open_writer(parts: ShopifyWriterParts) -> EntityWriter:
    """The route of canonical links.

    A link that still fails after all retries is skipped: a later one replaces it.
    """
    clock = parts.shell.clock
    links = Sync(
        LinkInShopify(parts.clients.get, LinkWriters(parts.link_batch_seconds)),
        writer=AtomicWriter(parts.database, clock),
        clock=clock,
    )
    return EntityWriter([Route(CANONICAL_LINK, links.handle, ENTITY, collapse=True, give_up="skip", writes=True)])
