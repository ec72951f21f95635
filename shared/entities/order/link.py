"""The canonical link between a Shopify and a Heartland record. Both vendors hold the other's id too."""

from __future__ import annotations

from datetime import datetime

from shared.canonical.record import CanonicalRecord


class Link(CanonicalRecord):
    """`entity` is `order` or `customer`; ids are the vendors' own, as text."""

    entity: str
    shopify_id: str
    heartland_id: str
    heartland_public_id: str = ""
    linked_at: datetime
