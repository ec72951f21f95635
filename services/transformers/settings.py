"""Settings of the transformers."""

from __future__ import annotations

from pydantic import Field

from shared.connectors.settings import VendorSettings
from shared.messaging.settings import ConsumerSettings


class Settings(ConsumerSettings, VendorSettings):
    transformer_entity: str = Field("order", description="Which transformer this process is: order or fulfilment")
    transformer_concurrency: int = Field(256, ge=1, description="Records in work at a time, each of another key")
    read_window_ms: float = Field(
        20.0, ge=0, description="How long a query waits for another order to join it, milliseconds"
    )
    reread_window_ms: float = Field(
        1000.0,
        ge=0,
        description="How long an order that was read in the last 30 s may wait for others before it is read again, "
        "milliseconds; what we write into Shopify comes back as such a notice",
    )
    read_batch_maximum: int = Field(
        100, ge=1, le=250, description="Orders per query at most; how many really fit is learnt from Shopify's replies"
    )
