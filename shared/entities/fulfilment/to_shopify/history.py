"""What the ledger knows of one invoice: which fulfilments its calls made, with which units and tracking. Pure.

One call fulfils at one location, so an invoice may take several calls; and what was on hold at first takes one more.
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
    """`calls` and `changes` are effects of this invoice: fulfilments made, and tracking carried over later.

    `known` are the fulfilments that any invoice of the order is known to have made.
    """

    invoice: str
    calls: Mapping[str, Claim]
    changes: Mapping[str, Claim]
    known: frozenset[str]

    @classmethod
    def read(cls, invoice: str, effects: Mapping[str, Claim]) -> Self:
        def named(kind: str) -> dict[str, Claim]:
            return {name: claim for name, claim in effects.items() if name.startswith(f"{kind}:{invoice}:")}

        made = {_result(claim)["fulfilment"] for claim in effects.values() if claim.state == "done"}
        return cls(invoice, named("fulfilment"), named("tracking"), frozenset(made))

    def doubtful(self) -> dict[str, Claim]:
        """The calls that were sent and whose outcome is not known."""
        return {name: claim for name, claim in self.calls.items() if claim.state == "in_doubt"}

    def placed(self) -> list[AllocatedUnits]:
        return [part for result in _done(self.calls) for part in FulfilmentCall.read(result).parts]

    def made(self) -> list[str]:
        """Ids of the invoice's fulfilments."""
        return [result["fulfilment"] for result in _done(self.calls)]

    def next_call(self, location: str) -> str:
        """The operation of the next call at a location. It is a new one only when those before it are done."""
        first = f"fulfilment:{self.invoice}:{number(location) or '-'}"
        done = sum(
            claim.state == "done" and (name == first or name.startswith(f"{first}:"))
            for name, claim in self.calls.items()
        )
        return f"{first}:{done + 1}" if done else first

    def outdated(self, tracking: Tracking, version: datetime) -> list[str]:
        """The fulfilments that carry another tracking, of a version of the invoice that is not younger.

        Versions are whole seconds, so two of them can be alike; the topic keeps their order.
        """
        shown: dict[str, tuple[datetime, Tracking]] = {}
        for result in [*_done(self.calls), *_done(self.changes)]:
            gid, of = result["fulfilment"], datetime.fromisoformat(result["version"])
            if gid not in shown or shown[gid][0] <= of:
                shown[gid] = (of, result["tracking"])
        return [gid for gid, (of, there) in shown.items() if tracking and there != tracking and of <= version]


def number(gid: str) -> str:
    """The last part of a gid."""
    return gid.rpartition("/")[2]


def _done(claims: Mapping[str, Claim]) -> Sequence[dict[str, Any]]:
    return [_result(claim) for claim in claims.values() if claim.state == "done"]


def _result(claim: Claim) -> dict[str, Any]:
    return claim.result or {}
