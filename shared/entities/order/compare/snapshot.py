"""One order as both vendors hold it at one time, and as our own tables have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from shared.entities.order.record import Order


@dataclass(frozen=True, slots=True)
class HeartlandOrderState:
    """The order in Heartland; amounts are None if the account's lists do not have them.

    `unfulfilled_invoices` are completed invoices that we have no fulfilment for, with their units (None if those cannot
    be read). `changed_at` is the newest change of the order or of an invoice.
    """

    id: str
    status: str
    total: Decimal | None
    paid: Decimal | None
    unfulfilled_invoices: Mapping[str, int | None] = field(default_factory=dict)
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReviewDecision:
    """A person decided a review of a record. It was opened at `asked_at`, by our clock."""

    asked_at: datetime
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class StoredOrderState:
    """What our tables have of an order.

    `version` and `content_hash` are those last written, None and empty if never.

    `definitions_version` is the version of the settings it was written with. `blocked`: it was not written, a person
    must act. `fulfilled_by_invoice` are the units that each invoice fulfilled.
    `in_progress` says what is still under way, so that differences mean nothing yet; empty if nothing is. `decided` are
    the latest decisions of a person, by entity.
    """

    version: datetime | None = None
    content_hash: str = ""
    definitions_version: int = 0
    blocked: bool = False
    fulfilled_by_invoice: Mapping[str, int] = field(default_factory=dict)
    in_progress: str = ""
    decided: Mapping[str, ReviewDecision] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OrderSnapshot:
    """`content_hash` is that of the current `order`, by the settings of `definitions_version`.

    `fulfilled_units` are those in Shopify, None if unknown.

    Everything about shipments (`fulfilled_units`, `heartland.unfulfilled_invoices`, `stored.fulfilled_by_invoice`) is
    added by the fulfilment.
    """

    connection: str
    order: Order
    content_hash: str
    fulfilled_units: int | None
    heartland: HeartlandOrderState | None
    stored: StoredOrderState
    definitions_version: int = 0

    @property
    def key(self) -> str:
        """Shopify's id."""
        return self.order.id

    @property
    def stamps(self) -> tuple[datetime, datetime | None]:
        """The newest change on Shopify's side and on Heartland's, by that side's clock."""
        return self.order.updated_at, self.heartland.changed_at if self.heartland else None

    @property
    def is_behind(self) -> bool:
        """Whether the order has changed since it was written.

        The hash depends on the settings. If only those changed, the order is re-applied on request, and not behind.
        """
        stored = self.stored
        if self.content_hash == stored.content_hash:
            return False
        same_settings = stored.definitions_version == self.definitions_version
        return same_settings or stored.version is None or self.order.updated_at > stored.version

    @property
    def is_quiet(self) -> bool:
        """Whether differences are meaningful: nothing is in progress, and no person has to act first.

        A blocked order counts only once it has changed. Both hash and time must differ, since a new release of
        Tillbridge may compute another hash of the same order.
        """
        stored = self.stored
        is_newer = stored.version is None or self.order.updated_at > stored.version
        return not stored.in_progress and (
            not stored.blocked or (is_newer and self.content_hash != stored.content_hash)
        )

    @property
    def is_decided(self) -> bool:
        """Whether a person decided about the order or its payments, and neither side has changed since."""
        decision, (in_shopify, in_heartland) = self.stored.decided.get("order"), self.stamps
        if decision is None or in_shopify > decision.asked_at:
            return False
        return in_heartland is None or in_heartland <= decision.decided_at
