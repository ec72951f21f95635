"""Fulfilments in the Shopify writer: the route of canonical fulfilments."""

from __future__ import annotations

from shared.entities.fulfilment.spec import CANONICAL_FULFILMENT
from shared.entities.fulfilment.to_shopify.actual import ENTITY
from shared.entities.fulfilment.to_shopify.fulfilment_sync import FulfilmentInShopify
from shared.entities.parts import EntityWriter, ShopifyWriterParts
from shared.messaging.record import Route
from shared.state.atomic_write import AtomicWriter
from shared.state.ledger import Ledger
from shared.state.partition_epochs import PartitionEpochs
from shared.sync.create_once import CreateOnce, ReadLag
from shared.sync.sync import Sync


def open_writer(parts: ShopifyWriterParts) -> EntityWriter:
    """The route of canonical fulfilments. Each is a separate fact, so events do not collapse."""
    clock = parts.shell.clock
    ledger = Ledger(parts.database, clock)
    fulfilments = Sync(
        FulfilmentInShopify(parts.clients.get, ledger, CreateOnce(ledger, clock), ReadLag(parts.read_lag_seconds)),
        writer=AtomicWriter(parts.database, clock),
        clock=clock,
        epochs=PartitionEpochs(parts.database, parts.service, clock),
    )
    return EntityWriter([Route(CANONICAL_FULFILMENT, fulfilments.handle, ENTITY, collapse=False)])
