"""Creates a payment type in Heartland for each tender, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.canonical.event import read_event
from shared.connectors.heartland.clients import HeartlandConnection
from shared.entities.order.heartland.payment_types import create_payment_type, read_payment_types
from shared.entities.parts import EntityWriter, HeartlandWriterParts
from shared.limits.call_context import PreSendCheck
from shared.messaging.record import Result, Route
from shared.state.atomic_write import AtomicWriter
from shared.state.ledger import Effect, Ledger
from shared.state.partition_epochs import PartitionEpochs
from shared.state.reviews import Reviews
from shared.state.target_state import TargetState, TargetStates
from shared.state.versions import Verdict
from shared.sync.create_once import CreateOnce, ReadLag
from shared.sync.misconfigured import ConnectionReviews
from shared.sync.plan import Plan
from shared.sync.record_sync import Attempt, RecordSync
from shared.sync.sync import Sync
from tests.support.tender.record import TenderEvent
from tests.support.tender.spec import CANONICAL_TENDER


def open_writer(parts: HeartlandWriterParts) -> EntityWriter:
    clock = parts.shell.clock
    tenders = Sync(
        TenderInHeartland(parts.clients.get, CreateOnce(Ledger(parts.database, clock), clock)),
        writer=AtomicWriter(parts.database, clock),
        clock=clock,
        states=TargetStates(parts.database),
        epochs=PartitionEpochs(parts.database, parts.service, clock),
        connections=ConnectionReviews(Reviews(parts.database)),
    )
    return EntityWriter([Route(CANONICAL_TENDER, tenders.handle, "tender", collapse=True, writes=True)])


@dataclass(frozen=True, slots=True)
class TenderInHeartland:
    """Tenders with Heartland as their target: see `shared.sync.record_sync.SyncedEntity`."""

    heartland_of: Callable[[str], HeartlandConnection]
    create_once: CreateOnce
    entity: str = "tender"
    target: str = "heartland"
    review_kinds: Sequence[str] = ()

    def read(self, body: bytes) -> TenderEvent:
        return read_event(TenderEvent, body, "tender")

    def customer_of(self, event: TenderEvent) -> str:
        return ""

    def definitions_version(self, connection: str) -> int:
        return self.heartland_of(connection).connection.definitions_version

    def open(self, attempt: Attempt[TenderEvent]) -> TenderSync:
        return TenderSync(self.heartland_of(attempt.event.connection), self.create_once, attempt)

    def skipped(self, verdict: Verdict, event: TenderEvent, state: TargetState) -> Result:
        return Result(verdict, shopify_id=event.key)


class TenderSync(RecordSync[str, "int | None", str]):
    """Synchronises one tender: desired is the payment type's name, actual its id."""

    def __init__(self, heartland: HeartlandConnection, create_once: CreateOnce, attempt: Attempt[TenderEvent]) -> None:
        self.definitions_version = heartland.connection.definitions_version
        self._client = heartland.client
        self._create_once = create_once
        self._attempt = attempt

    def desired(self) -> str:
        return self._attempt.event.record.name

    async def actual(self, desired: str) -> int | None:
        found = await read_payment_types(self._client, self._attempt.context)
        return next((one.id for one in found if one.name == desired), None)

    def plan(self, desired: str, actual: int | None) -> Plan[str]:
        return Plan(() if actual else (desired,))

    async def execute(self, step: str, actual: int | None) -> int:
        async def send(check: PreSendCheck) -> str:
            return str(await create_payment_type(self._client, step, self._attempt.context.checked_by(check)))

        async def find() -> str | None:
            found = await self.actual(step)
            return str(found) if found else None

        event = self._attempt.event
        effect = Effect(event.connection, "heartland", "tender", event.key, "create")
        made = await self._create_once(effect, send, find, ReadLag(0), work=self._attempt.work)
        return int(made.id)

    def result(self, actual: int | None) -> Result:
        return Result("applied", shopify_id=self._attempt.event.key, heartland_id=str(actual))
