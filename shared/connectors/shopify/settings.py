"""What a shop may choose on the Shopify side of its connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import Misconfigured


class ShopifySettings(BaseModel):
    """Part of a connection's settings; keys of others are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    metafield_namespace: str = Field(
        "tillbridge", description="Namespace of the metafields in which an order carries its Heartland ids"
    )
    read_back: bool = Field(
        True,
        description=(
            "Whether each order is read from the API. If not, a notice's own body is used where it says all there is "
            "to know; a body lacks the payments, so paid orders are read in any case"
        ),
    )
    location_map: dict[str, str] = Field(
        default_factory=dict, description="Heartland location id to Shopify location gid, for shipments"
    )

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> Self:
        """Raises Misconfigured, naming each wrong setting."""
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise Misconfigured(f"the connection's Shopify settings cannot be used: {faults}") from None
