"""The canonical tender."""

from __future__ import annotations

from datetime import datetime

from shared.canonical.event import CanonicalEvent, content_hash
from shared.canonical.record import CanonicalRecord


class Tender(CanonicalRecord):
    """A payment method by its name."""

    id: str
    name: str
    updated_at: datetime


TenderEvent = CanonicalEvent[Tender]


def hash_of(tender: Tender) -> str:
    return content_hash(tender, ignore=frozenset({"updated_at"}))
