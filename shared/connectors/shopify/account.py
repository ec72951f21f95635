"""A Shopify shop: its address and our credentials."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from shared.errors import Misconfigured

API_VERSION = "2026-10"
_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com")


class ShopifyAccount(BaseModel):
    """The `shopify` credentials of a connection. Secrets are not part of the repr.

    Either `client_id` with `client_secret` (client-credentials grant, tokens of 24 h) or a static `access_token`.
    `client_secret` also verifies webhooks, together with `previous_client_secret` during a rotation.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    shop_domain: str
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    previous_client_secret: SecretStr = SecretStr("")
    access_token: SecretStr = SecretStr("")
    api_version: str = Field(API_VERSION, pattern=r"^(\d{4}-\d{2}|unstable)$")
    base_url: str = ""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if not _DOMAIN.fullmatch(self.shop_domain):
            raise ValueError("shop_domain must be the shop's own <name>.myshopify.com")
        if not (self.access_token.get_secret_value() or (self.client_id and self.client_secret.get_secret_value())):
            raise ValueError("either access_token, or client_id with client_secret, is needed")
        return self

    @classmethod
    def read(cls, credentials: Mapping[str, str]) -> Self:
        """The account in a connection's credentials.

        Raises Misconfigured, naming what is wrong, never a value.
        """
        try:
            return cls.model_validate({name: value for name, value in credentials.items() if value != ""})
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'shopify'}: {e['msg']}" for e in error.errors())
            raise Misconfigured(f"the Shopify credentials cannot be used: {faults}") from None

    @property
    def root(self) -> str:
        return self.base_url.rstrip("/") or f"https://{self.shop_domain}"

    @property
    def graphql_url(self) -> str:
        return f"{self.root}/admin/api/{self.api_version}/graphql.json"

    @property
    def token_url(self) -> str:
        return f"{self.root}/admin/oauth/access_token"

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Every secret that may sign a webhook at present, the current one first."""
        both = (self.client_secret.get_secret_value(), self.previous_client_secret.get_secret_value())
        return tuple(secret for secret in both if secret)
