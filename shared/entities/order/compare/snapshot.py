"""One order as both systems hold it at a moment, and what we know of it ourselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from shared.entities.order.record import Order


@dataclass(frozen=True, slots=True)
class InHeartland:
    """The order in Heartland; figures are None where the account's lists do not show them.

    `unknown` are completed invoices that we know no fulfilment of, with their units (None where that cannot be read).
    `changed_at` is the newest change of the order or of an invoice.
    """

    id: str
    status: str
    total: Decimal | None
    paid: Decimal | None
    unknown: Mapping[str, int | None] = field(default_factory=dict)
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """A person settled what was asked about a record as it stood at `asked_at`; by our clock."""

    asked_at: datetime
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class OwnRecord:
    """What we believe. `version` and `content_hash` are what was written last, None and empty before the first time.

    `definitions_version` is the version of the settings that it was written with. `blocked`: it was not written, a
    person must act. `shipped` are units that each invoice is known to have fulfilled.
    `busy` says why nothing may be concluded of it now; empty if nothing stands in the way. `decided` are, by entity,
    the latest decisions of a person.
    """

    version: datetime | None = None
    content_hash: str = ""
    definitions_version: int = 0
    blocked: bool = False
    shipped: Mapping[str, int] = field(default_factory=dict)
    busy: str = ""
    decided: Mapping[str, Decided] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`content_hash` is that of `order` now, by the settings of `definitions_version`; `shipped` the units that
    Shopify's fulfilments hold, None if unknown.

    The shipments in it (`shipped`, `heartland.unknown`, `known.shipped`) are added by the fulfilment.
    """

    connection: str
    order: Order
    content_hash: str
    shipped: int | None
    heartland: InHeartland | None
    known: OwnRecord
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
        """Whether the order has changed since it was written. What makes a hash is a matter of settings: where those
        changed, and the order did not, it is re-applied on request, and is no difference.
        """
        known = self.known
        if self.content_hash == known.content_hash:
            return False
        same_settings = known.definitions_version == self.definitions_version
        return same_settings or known.version is None or self.order.updated_at > known.version

    @property
    def is_quiet(self) -> bool:
        """Whether something may be concluded of it. An order that was not written, for a person to act, is for that
        person as long as it does not change; both hash and time, since a new version of ours may hash anew.
        """
        known = self.known
        is_newer = known.version is None or self.order.updated_at > known.version
        return not known.busy and (not known.blocked or (is_newer and self.content_hash != known.content_hash))

    @property
    def is_decided(self) -> bool:
        """Whether a person has settled the order as it stands, or its payments."""
        decided, (here, there) = self.known.decided.get("order"), self.stamps
        return decided is not None and here <= decided.asked_at and (there is None or there <= decided.decided_at)
