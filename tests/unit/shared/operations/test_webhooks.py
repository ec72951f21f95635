"""The steps of a sync of webhook subscriptions, by name."""

from __future__ import annotations

import pytest

from shared.connectors.settings import SubscriptionSettings
from shared.connectors.shopify.subscriptions import Create, Delete, Keep, Subscription
from shared.errors import Misconfigured
from shared.operations.webhooks import SubscriptionStep, subscription_steps, sync

HERE = "https://hooks.example/webhooks/shopify/main"
THERE = Subscription("gid://9", "orders/paid", "https://old.example/x", api_version="2026-01")


def test_a_subscription_to_create_leads_to_our_address_and_has_no_id_yet() -> None:
    assert subscription_steps([Create("orders/paid")], HERE) == [
        SubscriptionStep("create", "orders/paid", HERE, "", "")
    ]


@pytest.mark.parametrize(
    ("step", "name"), [(Delete("orders/paid", THERE), "delete"), (Keep("orders/paid", THERE), "keep")]
)
def test_other_steps_show_the_subscription_as_it_is(step: Delete | Keep, name: str) -> None:
    [row] = subscription_steps([step], HERE)

    assert (row.step, row.topic, row.uri, row.api_version, row.id) == (
        name, "orders/paid", "https://old.example/x", "2026-01", "gid://9",
    )  # fmt: skip


async def test_without_a_public_address_nothing_is_synced() -> None:
    settings = SubscriptionSettings.from_env(
        {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "KAFKA_BOOTSTRAP_SERVERS": "x:9", "SECRET_KEY": "x"}
    )

    with pytest.raises(Misconfigured, match="INGRESS_PUBLIC_URL is required"):
        await sync(settings, None, dry_run=True)
