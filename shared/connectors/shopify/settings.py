"""What a merchant may set for a shop as a whole. Everything has a default."""

from __future__ import annotations

from pydantic import Field

from shared.definitions.section import Section


class ShopifySettings(Section):
    metafield_namespace: str = Field(
        "tillbridge",
        min_length=3,
        max_length=255,
        description="Namespace of the metafields in which an order carries its Heartland ids",
    )
