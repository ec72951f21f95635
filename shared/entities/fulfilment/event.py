"""The canonical event of a fulfilment."""

from __future__ import annotations

from shared.canonical.event import CanonicalEvent
from shared.entities.fulfilment.record import Fulfilment

FulfilmentEvent = CanonicalEvent[Fulfilment]
