"""What the sandbox can be told from outside. A field `sandbox_port` is read from `SANDBOX_PORT`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Frozen; every field can be left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sandbox_host: str = Field("127.0.0.1", description="Where the sandbox listens")
    sandbox_port: int = Field(0, ge=0, le=65535, description="Its port; 0 takes a free one")
    sandbox_latency_ms: float = Field(20.0, ge=0, description="How long each vendor call takes at least, milliseconds")
    sandbox_shop_domain: str = Field("sandbox.myshopify.com", description="The imitated shop's myshopify.com name")
    sandbox_client_id: str = Field("sandbox-client-id", description="Client id of the imitated Shopify app")
    sandbox_client_secret: str = Field("sandbox-client-secret", description="Its secret; webhooks are signed with it")
    sandbox_access_token: str = Field(
        "", description="A Shopify token that is always accepted; empty: only client credentials"
    )
    sandbox_api_token: str = Field("sandbox-api-token", description="The imitated Heartland account's API token")
    sandbox_webhook_url: str = Field("", description="Base URL that gets Shopify's webhooks; empty: none are sent")
    sandbox_tax_rate: Decimal = Field(
        Decimal(0), ge=0, description="Rate at which Heartland taxes an order's lines by itself, e.g. 0.07"
    )
    sandbox_connection: str = Field("main", description="Connection that the shop's webhooks are addressed to")
    sandbox_plan: Literal["standard", "advanced", "plus", "enterprise", "unlimited"] = Field(
        "standard", description="The imitated shop's plan, which sets how fast query cost is restored"
    )
    sandbox_journal_path: str = Field("", description="A file that each write is appended to; empty: a temporary one")
    sandbox_cost_model: Literal["log", "linear"] = Field(
        "log", description="How a page of n nodes counts in query cost: by its logarithm, or n times"
    )
    sandbox_random_seed: int = Field(1, description="Seed of the sandbox's randomness, so that a run can be repeated")

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Raises pydantic's ValidationError, which names each wrong variable."""
        return cls.model_validate({n: environ[n.upper()] for n in cls.model_fields if environ.get(n.upper(), "") != ""})
