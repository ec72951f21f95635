"""A Heartland shipment becomes a Shopify fulfilment: the handler of canonical fulfilments."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from shared.canonical.event import read_event
from shared.connectors.shopify.clients import ShopifyClients
from shared.entities.fulfilment.event import FulfilmentEvent
from shared.entities.fulfilment.spec import CANONICAL_FULFILMENT
from shared.entities.fulfilment.to_shopify.execute import ShipmentWriter
from shared.entities.parts import EntityWriter, ShopifyWriterParts
from shared.messaging.record import Record, Result, Route, context_of
from shared.runtime.clock import Clock
from shared.state.ledger import Ledger
from shared.state.partition_epochs import PartitionEpochs


def open_writer(parts: ShopifyWriterParts) -> EntityWriter:
    """The route of canonical fulfilments. Each is a fact of its own: nothing collapses."""
    clock = parts.shell.clock
    handler = FulfilmentHandler(
        parts.clients,
        Ledger(parts.database, clock),
        clock,
        parts.read_lag_seconds,
        PartitionEpochs(parts.database, parts.service, clock),
    )
    return EntityWriter([Route(CANONICAL_FULFILMENT, handler.handle, "fulfilment", collapse=False)])


class FulfilmentHandler:
    """Writes one shipment at a time. Without `epochs` nobody else is taken to own the partition."""

    def __init__(
        self,
        shops: ShopifyClients,
        ledger: Ledger,
        clock: Clock,
        read_lag_seconds: float,
        epochs: PartitionEpochs | None = None,
    ) -> None:
        self._shops = shops
        self._epochs = epochs
        self._shipments = ShipmentWriter(ledger, clock, read_lag_seconds)

    async def handle(self, records: Sequence[Record]) -> Result:
        """Write one shipment."""
        record = records[-1]
        event = read_event(FulfilmentEvent, record.envelope.body, "fulfilment")
        shop = self._shops.get(event.connection)
        location = shop.rules.location_map.get(event.record.location_id, "")
        taken_at = None
        if self._epochs is not None:
            taken_at = partial(self._epochs.taken_at, record.topic, record.partition)
        return await self._shipments.write(event, shop.client, location, context_of(records), taken_at)
