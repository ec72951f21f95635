"""Who hears of calls that wait, and writes it down."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.canonical.priority import Priority


@dataclass
class Heard:
    told: list[tuple[str, Priority, float]] = field(default_factory=list)

    def wait_started(self, priority: Priority) -> None:
        self.told.append(("begins", priority, 0.0))

    def wait_ended(self, priority: Priority, seconds: float) -> None:
        self.told.append(("ends", priority, seconds))
