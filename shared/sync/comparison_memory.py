"""What passes over one subject of a connection remember of each other, and may forget."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class Memory:
    """`agreed`: newest changes at Shopify and at Heartland of records that were found in agreement.
    `capped`: whether the last pass found too much; None before the first.
    """

    agreed: dict[str, tuple[datetime, datetime | None]] = field(default_factory=dict)
    capped: bool | None = None

    def is_known_here(self, key: str, stamp: datetime) -> bool:
        """Whether Shopify has not changed it since."""
        return key in self.agreed and self.agreed[key][0] == stamp

    def is_known_there(self, key: str, stamp: datetime) -> bool:
        """Whether Heartland has not changed it since."""
        there = self.agreed[key][1] if key in self.agreed else None
        return there is not None and stamp <= there

    def forget(self, before: datetime) -> None:
        """What no listing from that moment on can show again."""
        for key in [key for key, (here, there) in self.agreed.items() if max(here, there or here) < before]:
            del self.agreed[key]
