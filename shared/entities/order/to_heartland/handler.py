"""A canonical order becomes, or updates, one sales order in Heartland.

Asked with the whole order as it stands, it makes Heartland match: customer, addresses, the order as pending, lines,
exact taxes, payments, and only then open. The same road finishes what a crash left half-built.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from shared.canonical.event import content_hash, read_event
from shared.canonical.priority import Priority
from shared.connectors.heartland.errors import Refused
from shared.entities.order.event import LinkEvent, OrderEvent
from shared.entities.order.link import Link
from shared.entities.order.spec import CANONICAL_LINK, CANONICAL_ORDER
from shared.entities.order.to_heartland.accounts import Account, Accounts
from shared.entities.order.to_heartland.steps import Finding
from shared.entities.order.to_heartland.write import OrderWriter, WriteResult, noted_id
from shared.entities.parts import EntityWriter, HeartlandWriterParts
from shared.errors import IntegrationError, NeedsReview, RetryLater
from shared.limits.call_context import REPAIR
from shared.messaging.envelope import Envelope, child_traceparent, hurrying
from shared.messaging.kafka.producer import Producer
from shared.messaging.record import Record, Result, Route, context_of
from shared.runtime.clock import Clock
from shared.state.atomic_write import AtomicWriter, VersionMark, WriteSet
from shared.state.ledger import Ledger
from shared.state.partition_epochs import PartitionEpochs
from shared.state.reviews import Reviews
from shared.state.target_state import TargetStates
from shared.state.versions import Version, gate
from shared.sync.misconfigured import ConnectionMisconfigured, ConnectionReviews, only_this_connection

TARGET = "heartland"
ENTITY = "order"
# Every review that this service opens about an order, so that it can close what is over.
KINDS = (
    "cancel_by_hand", "canceled_in_heartland", "customer_linked_twice", "duplicate_customers", "duplicate_orders",
    "edit_after_invoice", "extra_lines", "heartland_refused", "link_conflict", "order_missing", "order_not_exact",
    "overpaid", "payment_by_hand", "payment_currency", "refund_by_hand",
)  # fmt: skip
# Marks before a noted content hash: a person must act, and the same content is tried again when it comes; or: all is
# written, but a review is open. Without a mark there is no review to close, which saves asking.
BLOCKED, OPEN = "!", "?"


def open_writer(parts: HeartlandWriterParts) -> EntityWriter:
    """The route of canonical orders. Orders may wait for items: `existing` finds those that are there by now."""
    clock, notes = parts.shell.clock, AtomicWriter(parts.database, parts.shell.clock)
    accounts = Accounts(
        parts.clients,
        ledger=Ledger(parts.database, clock),
        notes=notes,
        clock=clock,
        item_cache_seconds=parts.item_cache_seconds,
    )
    orders = OrderHandler(
        accounts,
        standings=TargetStates(parts.database),
        owners=PartitionEpochs(parts.database, parts.service, clock),
        notes=notes,
        reviews=Reviews(parts.database),
        producer=parts.producer,
        clock=clock,
    )
    route = Route(CANONICAL_ORDER, orders.handle, ENTITY, collapse=True, writes=True)
    return EntityWriter([route], orders.existing)


class OrderHandler:
    """The handler of canonical orders."""

    def __init__(
        self,
        accounts: Accounts,
        *,
        standings: TargetStates,
        owners: PartitionEpochs,
        notes: AtomicWriter,
        reviews: Reviews,
        producer: Producer,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._standings = standings
        self._owners = owners
        self._notes = notes
        self._reviews = reviews
        self._troubles = ConnectionReviews(reviews)
        self._producer = producer
        self._clock = clock

    async def handle(self, records: Sequence[Record]) -> Result:
        """Write the newest of these records of one order."""
        record, event = newest(records)
        standing = await self._standings.get(
            event.connection, ENTITY, event.key, TARGET, event.record.customer.shopify_id
        )
        verdict = decide(standing.version, event, again=is_asked_again(records))
        if verdict == "echo" and standing.version:
            # It stands for its moment: a change from before it, late or replayed, must not come through.
            await self._note(event, Version(event.version, standing.version.content_hash))
        if verdict != "apply":
            return _result(verdict, event, standing.link.heartland_id if standing.link else "")
        try:
            with only_this_connection():
                account = self._accounts.get(event.connection)
                taken_at = partial(self._owners.taken_at, record.topic, record.partition)
                writing = OrderWriter(account, event.record, standing, context_of(records), taken_at)
                written = await self._write(account, event, writing)
        except ConnectionMisconfigured as trouble:
            await self._troubles.open(event.connection, trouble.reason)
            raise
        try:
            await self._troubles.close(event.connection)
            return await self._settle(account, record.envelope, event, written, writing, standing.version)
        except BaseException:
            writing.leave()
            raise

    async def _write(self, account: Account, event: OrderEvent, writing: OrderWriter) -> WriteResult:
        try:
            return await writing.run()
        except NeedsReview:
            await self._block(event)
            raise
        except Refused as refusal:
            account.items.forget(line.sku for line in event.record.lines)
            if refusal.names("customer_id"):
                account.customers.doubt(event.record)
            await self._open(event, _refused(refusal))
            await self._block(event)
            raise RetryLater(refusal.reason) from refusal

    async def _settle(
        self,
        account: Account,
        envelope: Envelope,
        event: OrderEvent,
        written: WriteResult,
        writing: OrderWriter,
        stored: Version | None,
    ) -> Result:
        """Everything that follows the writing; the version comes last, so that a crash repeats the rest."""
        blocking = next((finding for finding in written.findings if finding.blocks), None)
        for finding in written.findings:
            if finding is not blocking:
                await self._open(event, finding)
        if stored and stored.content_hash[:1] in (BLOCKED, OPEN):
            over = set(KINDS) - {finding.kind for finding in written.findings}
            await self._reviews.resolve(event.connection, ENTITY, event.key, sorted(over))
        await self._publish_link(account, envelope, event, written, writing.context.priority)
        await writing.note(_mark(event, BLOCKED if blocking else OPEN if written.findings else ""))
        if blocking:
            raise blocking.error()
        return _result("applied", event, str(written.known.order.id), _told(written))

    async def _block(self, event: OrderEvent) -> None:
        await self._note(event, _mark(event, BLOCKED).version)

    async def _note(self, event: OrderEvent, version: Version) -> None:
        about = (event.connection, ENTITY, event.key)
        await self._notes.write(WriteSet(about, versions=(VersionMark(*about, TARGET, version),)))

    async def _open(self, event: OrderEvent, finding: Finding) -> None:
        await self._reviews.open(
            event.connection, finding.kind, ENTITY, event.key, finding.title, finding.advice, finding.details
        )

    async def _publish_link(
        self, account: Account, envelope: Envelope, event: OrderEvent, written: WriteResult, priority: Priority
    ) -> None:
        """Tell Shopify's side our id, until the order itself shows that it knows it."""
        there = written.known.order
        if noted_id(event.record, account.namespace) == str(there.id):
            return
        now = self._clock.now()
        link = Link(
            entity=ENTITY,
            shopify_id=event.record.id,
            heartland_id=str(there.id),
            heartland_public_id=there.public_id,
            linked_at=now,
        )
        await self._producer.send(CANONICAL_LINK, _announce(link, envelope, event, priority))

    async def existing(self, names: set[str]) -> set[str]:
        """Which of the awaited names (`<connection>|item:<sku>`) are there now; one look-up per connection."""
        asked: dict[str, dict[str, str]] = {}
        for name in names:
            connection, _, rest = name.partition("|item:")
            asked.setdefault(connection, {})[rest] = name
        found: set[str] = set()
        for connection, skus in asked.items():
            found |= await self._found(connection, skus)
        return found

    async def _found(self, connection: str, skus: dict[str, str]) -> set[str]:
        try:
            there = await self._accounts.get(connection).items.existing(skus, REPAIR)
        except IntegrationError:  # this connection cannot be asked now; the others can
            return set()
        return {skus[sku] for sku in there}


def newest(records: Sequence[Record]) -> tuple[Record, OrderEvent]:
    """The record with the newest version: a replay may bring an older one in last. Raises Rejected.

    Shopify's stamps are whole seconds; within one second, what was read later is newer.
    """
    read = [(record, read_event(OrderEvent, record.envelope.body, "order")) for record in records]
    return max(read, key=lambda pair: (pair[1].version, pair[1].read_at))


def is_asked_again(records: Sequence[Record]) -> bool:
    """Whether somebody saw that Heartland does not hold what we think we wrote, or decided that it be tried again."""
    return any(record.envelope.asks_again for record in records)


def decide(stored: Version | None, event: OrderEvent, *, again: bool = False) -> str:
    """`apply`, or why not: `stale`, `duplicate`, or `echo` (a newer version that says the same: our own metafield).

    `again`: what is written already is held against Heartland once more; only what is older stays out.
    """
    if stored is not None and stored.content_hash.startswith((BLOCKED, OPEN)):
        blocked = stored.content_hash.startswith(BLOCKED)
        stored = replace(stored, content_hash="" if blocked else stored.content_hash[1:])
    verdict = gate(stored, event.version, event.content_hash)
    if again and verdict == "duplicate":
        return "apply"
    return "echo" if verdict == "duplicate" and stored and event.version > stored.version else verdict


def _mark(event: OrderEvent, mark: str) -> VersionMark:
    noted = Version(event.version, mark + event.content_hash)
    return VersionMark(event.connection, ENTITY, event.key, TARGET, noted)


def _announce(link: Link, cause: Envelope, event: OrderEvent, priority: Priority) -> Envelope:
    body = LinkEvent(
        schema_name="tillbridge.link/1",
        connection=event.connection,
        entity="link",
        source="heartland",
        key=event.key,
        version=link.linked_at,
        content_hash=content_hash(link, ignore=frozenset({"linked_at"})),
        lineage=(cause.id,),
        read_at=link.linked_at,
        record=link,
    )
    return Envelope(
        id=f"heartland:order:{link.heartland_id}:link",
        source="heartland",
        type="canonical.link",
        time=link.linked_at,
        connection=event.connection,
        entity="link",
        subject=event.key,
        body=body.model_dump_json().encode(),
        traceparent=child_traceparent(cause.traceparent),
        hop=cause.hop + 1,
        extra=hurrying(priority),
    )


def _refused(refusal: Refused) -> Finding:
    return Finding(
        kind="heartland_refused",
        title=refusal.reason,
        advice="Change in Heartland what it asks for (a required field, a setting); it is tried again by itself.",
        details={"code": refusal.code, "fields": {name: list(texts) for name, texts in refusal.details.items()}},
    )


def _told(written: WriteResult) -> str:
    known = written.known
    verb = "created" if written.created else "brought up to date"
    return f"{verb}: {len(known.lines)} lines, {len(known.payments)} payments, {known.status}"


def _result(outcome: str, event: OrderEvent, heartland_id: str, detail: str = "") -> Result:
    return Result(
        outcome=outcome,
        detail=detail,
        order_number=event.record.name,
        shopify_id=event.record.id,
        heartland_id=heartland_id,
        source_time=event.version,
        lineage=event.lineage,
    )
