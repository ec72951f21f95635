"""One invoice's history in the ledger: the fulfilments made, with units and tracking. Pure.

One call fulfils at one location, so an invoice may need several calls, and another one for units that were on hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from shared.entities.fulfilment.shopify.allocation import AllocatedUnits, FulfilmentCall, Tracking
from shared.state.ledger import Claim


@dataclass(frozen=True, slots=True)
class ShipmentHistory:
    """`calls` are this invoice's creates of fulfilments, `changes` its later changes of tracking.

    `fulfilments` are the ids of the fulfilments that any invoice of the order made.
    """

    invoice: str
    calls: Mapping[str, Claim]
    changes: Mapping[str, Claim]
    fulfilments: frozenset[str]

    @classmethod
    def read(cls, invoice: str, effects: Mapping[str, Claim]) -> Self:
        def named(kind: str) -> dict[str, Claim]:
            return {name: claim for name, claim in effects.items() if name.startswith(f"{kind}:{invoice}:")}

        made = _done({name: claim for name, claim in effects.items() if name.startswith("fulfilment:")})
        return cls(invoice, named("fulfilment"), named("tracking"), frozenset(result["id"] for result in made))

    def in_doubt(self) -> dict[str, Claim]:
        """The calls that were sent and whose outcome is unknown, the oldest first."""
        claims = {name: claim for name, claim in self.calls.items() if claim.state == "in_doubt"}
        return dict(sorted(claims.items(), key=lambda pair: (pair[1].sent_at, pair[0])))

    def allocated(self) -> list[AllocatedUnits]:
        """The units of all calls that are done."""
        return [part for result in _done(self.calls) for part in FulfilmentCall.read(result).parts]

    def invoice_fulfilments(self) -> list[str]:
        """The ids of the fulfilments that this invoice made."""
        return [result["id"] for result in _done(self.calls)]

    def next_call(self, location: str) -> str:
        """The operation of the next call at a location: a new one only if the earlier ones are done."""
        return _next(f"fulfilment:{self.invoice}:{id_of_gid(location) or '-'}", self.calls)

    def next_change(self, fulfilment: str, version: str, digest: str) -> str:
        """The operation of the next change to the tracking with this digest."""
        return _next(f"tracking:{self.invoice}:{id_of_gid(fulfilment)}:{version}:{digest}", self.changes)

    def outdated(self, tracking: Tracking, version: datetime) -> list[str]:
        """The fulfilments with another tracking, of the same or an older version of the invoice.

        Versions are whole seconds, so two of them can be equal; then the topic's order decides.
        """
        shown: dict[str, tuple[datetime, Tracking]] = {}
        made = [(result["id"], result) for result in _done(self.calls)]
        for gid, result in [*made, *((result["fulfilment"], result) for result in _done(self.changes))]:
            written = datetime.fromisoformat(result["version"])
            if gid not in shown or shown[gid][0] <= written:
                shown[gid] = (written, result["tracking"])
        return [
            gid for gid, (written, current) in shown.items() if tracking and current != tracking and written <= version
        ]


def id_of_gid(gid: str) -> str:
    """The last part of a gid."""
    return gid.rpartition("/")[2]


def _next(first: str, claims: Mapping[str, Claim]) -> str:
    done = sum(
        claim.state == "done" and (name == first or name.startswith(f"{first}:")) for name, claim in claims.items()
    )
    return f"{first}:{done + 1}" if done else first


def _done(claims: Mapping[str, Claim]) -> Sequence[dict[str, Any]]:
    return [claim.result or {} for claim in claims.values() if claim.state == "done"]
