"""Settings of the transformers."""

from __future__ import annotations

from pydantic import Field

from shared.connectors.settings import VendorSettings
from shared.messaging.settings import ConsumerSettings


class Settings(ConsumerSettings, VendorSettings):
    transformer_entity: str = Field("order", description="Which transformer this process is: order or fulfilment")
    transformer_concurrency: int = Field(256, ge=1, description="Records in work at a time, at most one per key")
    read_window_ms: float = Field(
        20.0, ge=0, description="How long a query waits for further orders to read with it, in milliseconds"
    )
    reread_window_ms: float = Field(
        1000.0,
        ge=0,
        description="How long an order that was read in the last 30 s waits for others before it is read again, in "
        "milliseconds; our own writes to Shopify cause such notices",
    )
    read_batch_maximum: int = Field(
        100,
        ge=1,
        le=250,
        description="Most orders per query; the number used adapts to the query costs that Shopify reports",
    )
