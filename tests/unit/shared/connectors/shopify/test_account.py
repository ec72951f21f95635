"""Credentials are checked once, and say what is wrong without saying themselves."""

from __future__ import annotations

import pytest

from shared.connectors.shopify.account import ShopifyAccount
from shared.connectors.shopify.settings import ShopifySettings
from shared.definitions.parse import read_section
from shared.errors import Misconfigured

GOOD = {"shop_domain": "demo.myshopify.com", "client_id": "id", "client_secret": "s3cret"}


def test_the_address_follows_from_the_shop() -> None:
    account = ShopifyAccount.read(GOOD)

    assert account.graphql_url == "https://demo.myshopify.com/admin/api/2026-10/graphql.json"


def test_another_base_serves_for_the_sandbox() -> None:
    account = ShopifyAccount.read({**GOOD, "base_url": "http://127.0.0.1:9999/", "api_version": "2026-07"})

    assert account.graphql_url == "http://127.0.0.1:9999/admin/api/2026-07/graphql.json"
    assert account.token_url == "http://127.0.0.1:9999/admin/oauth/access_token"


def test_two_secrets_are_active_during_a_rotation() -> None:
    account = ShopifyAccount.read({**GOOD, "previous_client_secret": "older"})

    assert account.webhook_secrets == ("s3cret", "older")
    assert "s3cret" not in repr(account)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"shop_domain": "demo.example.com"}, id="not Shopify's domain"),
        pytest.param({"shop_domain": "demo.myshopify.com.evil.example"}, id="a lookalike"),
        pytest.param({"client_secret": ""}, id="no secret and no token"),
        pytest.param({"api_version": "latest"}, id="no version"),
    ],
)
def test_what_cannot_work_is_said_without_the_secrets(wrong: dict[str, str]) -> None:
    with pytest.raises(Misconfigured) as caught:
        ShopifyAccount.read({**GOOD, **wrong})

    assert "s3cret" not in caught.value.reason


def test_settings_have_sensible_defaults_and_name_what_is_wrong() -> None:
    assert read_section({}, "shopify", ShopifySettings).metafield_namespace == "tillbridge"
    with pytest.raises(Misconfigured, match=r"shopify\.metafield_namespace"):
        read_section({"shopify": {"metafield_namespace": 5}}, "shopify", ShopifySettings)
