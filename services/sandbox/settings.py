"""The sandbox's settings. A field `sandbox_port` is read from `SANDBOX_PORT`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Every field has a default."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sandbox_host: str = Field("127.0.0.1", description="Address on which the sandbox listens")
    sandbox_port: int = Field(0, ge=0, le=65535, description="Its port; 0 chooses a free one")
    sandbox_latency_ms: float = Field(20.0, ge=0, description="Minimum duration of each vendor call, milliseconds")
    sandbox_shop_domain: str = Field("sandbox.myshopify.com", description="The simulated shop's myshopify.com domain")
    sandbox_client_id: str = Field("sandbox-client-id", description="Client id of the simulated Shopify app")
    sandbox_client_secret: str = Field("sandbox-client-secret", description="Its client secret, which signs webhooks")
    sandbox_access_token: str = Field(
        "", description="A Shopify access token that is always accepted; empty: client credentials only"
    )
    sandbox_api_token: str = Field("sandbox-api-token", description="API token of the simulated Heartland account")
    sandbox_webhook_url: str = Field(
        "", description="Base URL to which Shopify's webhooks are sent; empty: none are sent"
    )
    sandbox_tax_rate: Decimal = Field(
        Decimal(0), ge=0, description="Tax rate that Heartland applies to order lines on its own, e.g. 0.07"
    )
    sandbox_connection: str = Field("main", description="Connection named in the path of the shop's webhooks")
    sandbox_plan: Literal["standard", "advanced", "plus", "enterprise", "unlimited"] = Field(
        "standard", description="The simulated shop's plan, which sets the restore rate of the query cost"
    )
    sandbox_journal_path: str = Field("", description="File to which each write is appended; empty: a temporary file")
    sandbox_cost_model: Literal["log", "linear"] = Field(
        "log", description="How a page of n nodes counts in the query cost: logarithmically or n times"
    )
    sandbox_random_seed: int = Field(
        1, description="Seed of the sandbox's random numbers, so that a run can be repeated"
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Raises pydantic's ValidationError, which names each invalid variable."""
        return cls.model_validate({n: environ[n.upper()] for n in cls.model_fields if environ.get(n.upper(), "") != ""})
