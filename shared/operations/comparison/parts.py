"""Builds comparison passes, for the reconciler and for `tillbridge reconcile`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from shared.connectors.clients import VendorClients, open_clients
from shared.limits.vendor_limits import open_tool_limits
from shared.messaging.kafka.producer import Producer, open_producer
from shared.operations.comparison.decide import Caps
from shared.operations.comparison.passes import Pass, Rules
from shared.operations.comparison.settings import ComparisonSettings
from shared.runtime.clock import Clock
from shared.runtime.metrics import ServiceMetrics
from shared.state.connections import Connections
from shared.state.database import Database
from shared.state.drift import DriftLedger
from shared.state.reviews import Reviews
from shared.sync.comparison import S, Subject, Tools, Vendors
from shared.sync.comparison_memory import Memory


@dataclass
class Parts:
    """Everything that a pass needs, for every connection."""

    settings: ComparisonSettings
    database: Database
    connections: Connections
    producer: Producer
    clock: Clock
    clients: VendorClients
    ledger: DriftLedger

    def rules(self) -> Rules:
        settings = self.settings
        return Rules(
            settling=timedelta(seconds=settings.reconcile_settling_seconds),
            look_apart=timedelta(seconds=settings.reconcile_recheck_seconds / 2),
            caps=Caps(settings.reconcile_max_repairs, settings.reconcile_max_at_risk),
        )

    def pass_over(self, name: str, subject: Subject[S], memory: Memory | None = None) -> Pass[S]:
        """A pass over the records of this subject.

        Raises RetryLater for a connection that is not known, TargetDown for one that cannot work.
        """
        vendors = Vendors(self.clients.shopify.get(name), self.clients.heartland.get(name))
        memory = memory or Memory(capped=False)
        in_flight = timedelta(seconds=self.settings.reconcile_in_flight_seconds)
        return Pass(
            name,
            subject,
            subject.open(name, vendors, Tools(self.database, subject.names(), in_flight, memory, subject.companions)),
            vendors,
            ledger=self.ledger,
            reviews=Reviews(self.database),
            producer=self.producer,
            clock=self.clock,
            rules=self.rules(),
            memory=memory,
        )


@asynccontextmanager
async def open_parts(
    settings: ComparisonSettings, database: Database, connections: Connections, metrics: ServiceMetrics, clock: Clock
) -> AsyncIterator[Parts]:
    async with (
        open_producer(settings, clock) as producer,
        open_tool_limits("reconciler", database, metrics, clock, producer) as limits,
        open_clients(settings, connections, metrics=metrics, clock=clock, limits=limits) as clients,
    ):
        yield Parts(
            settings,
            database,
            connections,
            producer,
            clock,
            clients,
            DriftLedger(database),
        )
