"""A tender becomes a payment type, once."""

from __future__ import annotations

from collections.abc import Sequence

from shared.canonical.event import read_event
from shared.entities.order.heartland.payment_types import create_payment_type, read_payment_types
from shared.entities.parts import EntityWriter, HeartlandWriterParts
from shared.messaging.record import Record, Result, Route, context_of
from shared.state.atomic_write import AtomicWriter, VersionMark, WriteSet
from shared.state.target_state import TargetStates
from shared.state.versions import Version, gate
from tests.support.tender.record import TenderEvent
from tests.support.tender.spec import CANONICAL_TENDER


def open_writer(parts: HeartlandWriterParts) -> EntityWriter:
    states, notes = TargetStates(parts.database), AtomicWriter(parts.database, parts.shell.clock)

    async def handle(records: Sequence[Record]) -> Result:
        record = records[-1]
        event = read_event(TenderEvent, record.envelope.body, "tender")
        place = (event.connection, "tender", event.key)
        stored = (await states.get(*place, "heartland", "")).version
        verdict = gate(stored, event.version, event.content_hash)
        if verdict != "apply" and not record.envelope.asks_again:
            return Result(outcome=verdict, shopify_id=event.key)
        heartland, context = parts.clients.get(event.connection).client, context_of(records)
        known = {one.name: one.id for one in await read_payment_types(heartland, context)}
        made = known.get(event.record.name) or await create_payment_type(heartland, event.record.name, context)
        version = Version(event.version, event.content_hash)
        await notes.write(WriteSet(place, versions=(VersionMark(*place, "heartland", version),)))
        return Result(outcome="applied", shopify_id=event.key, heartland_id=str(made))

    return EntityWriter([Route(CANONICAL_TENDER, handle, "tender", collapse=True, writes=True)])
