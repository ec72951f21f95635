"""Settings of every service that writes records to a vendor."""

from __future__ import annotations

from pydantic import Field

from shared.connectors.settings import VendorSettings
from shared.messaging.settings import ConsumerSettings


class WriterSettings(ConsumerSettings, VendorSettings):
    writer_concurrency: int = Field(32, ge=1, description="Records in work at a time")
