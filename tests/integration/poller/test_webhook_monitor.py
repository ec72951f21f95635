"""Nobody tells us of orders: subscriptions gone, webhooks silent. They are found, and what was missed is read again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.local.engine import Engine
from shared.connectors.settings import SubscriptionSettings
from shared.connectors.shopify.document import Document
from shared.connectors.shopify.subscription_sync import SubscriptionSync
from shared.connectors.shopify.subscriptions import desired_subscriptions
from shared.entities.table import webhooks
from shared.operations.webhooks import sync
from shared.state.webhook_counts import Seen, WebhookCounts
from shared.state.webhook_watch import Gap, WebhookWatch
from tests.integration.poller.harness import CONNECTION, PUBLIC, Harness, open_harness
from tests.support.shop_server import sandbox_client

pytestmark = pytest.mark.timeout(120)
FOREIGN = """mutation { webhookSubscriptionCreate(topic: ORDERS_CREATE, webhookSubscription: {
    uri: "https://others.example.com/hook", name: "theirs"}) { webhookSubscription { id } userErrors { message } } }"""


@pytest.fixture
async def harness(engine: Engine, database_url: str, topic_prefix: str) -> AsyncIterator[Harness]:
    async with open_harness(engine, database_url, topic_prefix) as opened:
        yield opened


async def graphql(harness: Harness, query: str) -> None:
    told = harness.sandbox.world.settings
    login = {"client_id": told.sandbox_client_id, "client_secret": told.sandbox_client_secret}
    grant = {**login, "grant_type": "client_credentials"}
    async with harness.sandbox.session.post(f"{harness.sandbox.url}/admin/oauth/access_token", json=grant) as answer:
        headers = {"X-Shopify-Access-Token": (await answer.json())["access_token"]}
    url = f"{harness.sandbox.url}/admin/api/2026-10/graphql.json"
    async with harness.sandbox.session.post(url, json={"query": query}, headers=headers) as answer:
        assert "errors" not in await answer.json()


async def test_a_new_connection_is_subscribed_and_what_came_since_it_was_made_is_read(harness: Harness) -> None:
    early = {await harness.order(41)}
    async with harness.polling():
        await harness.until("all subscriptions", harness.all_there)
        await harness.until("a notice of what came before", lambda: early <= harness.notified())
        rows = await harness.subscriptions()

    assert {row["uri"] for row in rows} == {f"{PUBLIC}/webhooks/shopify/{CONNECTION}"}
    assert len({row["topic"] for row in rows}) == 12
    assert harness.alert("subscription_recreated") is None


async def test_a_lost_subscription_is_made_anew_and_the_orders_in_between_are_read(harness: Harness) -> None:
    async with harness.polling():
        await harness.until("all subscriptions", harness.all_there)
        await graphql(harness, FOREIGN)
        await harness.until("a good look", lambda: is_good(harness))
        await harness.drop("ORDERS_CREATE")
        await graphql(harness, FOREIGN)
        missed = {await harness.order(number) for number in (51, 52, 53)}
        await harness.until("all subscriptions and the other's", lambda: how_many(harness, 13))
        await harness.until("notices of what was missed", lambda: missed <= harness.notified())
        alert = await harness.until("the alert", lambda: harness.alert("subscription_recreated"))

    assert int(alert["details"]["orders"]) >= 3
    assert alert["severity"] == "warning"
    assert "https://others.example.com/hook" in {row["uri"] for row in await harness.subscriptions()}
    notice = next(notice for notice in harness.notices if notice.subject == "51")
    assert notice.id.startswith(f"gap:{CONNECTION}:51:")
    assert (notice.type, notice.priority, notice.extra["x-cause"]) == ("shopify.orders/repair", "repair", "gap")


async def is_good(harness: Harness) -> bool:
    return (await WebhookWatch(harness.database).get(CONNECTION)).good_at is not None


async def how_many(harness: Harness, wanted: int) -> bool:
    return len(await harness.subscriptions()) == wanted


async def test_what_nobody_filled_before_a_crash_is_filled_after_it(harness: Harness) -> None:
    """The command makes subscriptions anew and notes the gap; whoever polls next fills it."""
    async with harness.polling():
        await harness.until("all subscriptions", harness.all_there)
        await harness.until("a good look", lambda: is_good(harness))
    await harness.drop()
    missed = {await harness.order(number) for number in (61, 62)}
    rehearsed = await sync(SubscriptionSettings.from_env(harness.environ), CONNECTION, dry_run=True)
    assert await harness.subscriptions() == []
    [done] = await sync(SubscriptionSettings.from_env(harness.environ), CONNECTION, dry_run=False)
    assert await harness.all_there()

    async with harness.polling():
        await harness.until("notices of what was missed", lambda: missed <= harness.notified())
        await harness.until("the alert", lambda: harness.alert("subscription_recreated"))
        await harness.until("no gap any more", lambda: is_whole(harness))
    assert [row.step for row in rehearsed[0].steps] == ["create"] * 12
    assert done.is_right


async def is_whole(harness: Harness) -> bool:
    return (await WebhookWatch(harness.database).get(CONNECTION)).gap is None


async def test_a_shop_that_gave_us_up_after_hours_of_failing_is_heard_from_again(harness: Harness) -> None:
    """Nobody answers at our address: the shop tries, gives up, and drops the subscriptions, one by one."""
    await harness.sandbox.control("POST", "/shopify/options", {"webhook_retry_seconds": ",".join(["0.05"] * 8)})
    async with harness.polling():
        await harness.until("all subscriptions", harness.all_there)
        await harness.until("no gap any more", lambda: is_whole(harness))
        missed = {await harness.order(91, webhook=True)}
        await harness.until("the shop giving up", lambda: gave_up(harness))
        await harness.until("notices of what was missed", lambda: missed <= harness.notified())
        await harness.until("the alert", lambda: harness.alert("subscription_recreated"))
        await harness.until("all subscriptions", harness.all_there)


async def gave_up(harness: Harness) -> bool:
    rows = (await harness.sandbox.control("GET", "/shopify/deliveries"))["deliveries"]
    return any(row["outcome"] == "failed" for row in rows)


async def test_an_order_that_is_listed_late_is_read_with_the_next_look(harness: Harness) -> None:
    async with harness.polling():
        await harness.until("all subscriptions", harness.all_there)
        await harness.until("no gap any more", lambda: is_whole(harness))
        stale = {"system": "shopify", "kind": "stale_reads", "operation": "orders", "seconds": 60, "times": 1}
        await harness.sandbox.faults(stale)
        await harness.drop()
        await harness.order(95)
        await harness.until("a notice", lambda: "95" in harness.notified())
        assert await harness.sandbox.fault_hits() == [1]


async def test_a_shop_that_is_away_is_filled_when_it_is_back(harness: Harness) -> None:
    async with harness.polling():
        await harness.until("all subscriptions", harness.all_there)
        await harness.until("a good look", lambda: is_good(harness))
        await harness.sandbox.faults({"system": "shopify", "kind": "outage", "operation": "ListChangedOrders"})
        await harness.drop()
        missed = {await harness.order(71)}
        await harness.until("an attempt that fails", lambda: has_hit(harness))
        assert not missed & harness.notified()
        await harness.sandbox.faults()
        await harness.until("notices of what was missed", lambda: missed <= harness.notified())


async def has_hit(harness: Harness) -> bool:
    return sum(await harness.sandbox.fault_hits()) > 0


async def test_silence_against_the_usual_rate_is_an_alert_and_ends_with_traffic(harness: Harness) -> None:
    counts, now = WebhookCounts(harness.database), datetime.now(UTC)
    top = now.replace(minute=0, second=0, microsecond=0)
    usual = {top - timedelta(hours=back): top - timedelta(hours=back, seconds=-1) for back in range(2, 24 * 6)}
    await counts.add({(CONNECTION, hour): Seen(200, last) for hour, last in usual.items()})
    missed = {await harness.order(81)}

    async with harness.polling(INGRESS_PUBLIC_URL=""):
        alert = await harness.until("the alert", lambda: harness.alert("webhook_silence"))
        await harness.until("notices of what was missed", lambda: missed <= harness.notified())
        assert (alert["severity"], alert["details"]["seen"]) == ("warning", "0")
        assert float(alert["details"]["expected"]) > 100

        later = datetime.now(UTC)
        hours = {top - timedelta(hours=back): 200 for back in range(6)}
        await counts.add({(CONNECTION, hour): Seen(count, later) for hour, count in hours.items()})
        await harness.until("its end", lambda: harness.alert("webhook_silence", resolved=True))
    assert await harness.subscriptions() == []


async def test_two_replicas_do_no_double_work_and_one_goes_on_alone(harness: Harness) -> None:
    async with AsyncExitStack() as first, harness.polling():
        await harness.until("all subscriptions", harness.all_there)
        await first.enter_async_context(harness.polling())
        await harness.until("both to be there", lambda: leases_asked(harness, 2))
        await harness.until("a good look", lambda: is_good(harness))
        await harness.drop("ORDERS_PAID")
        await harness.until("the alert", lambda: harness.alert("subscription_recreated"))
        assert len([alert for alert in harness.alerts if alert["kind"] == "subscription_recreated"]) == 1


async def test_when_the_replica_that_polls_leaves_the_other_takes_over(harness: Harness) -> None:
    async with AsyncExitStack() as second:
        async with harness.polling():
            await harness.until("all subscriptions", harness.all_there)
            await second.enter_async_context(harness.polling(SUBSCRIPTION_CHECK_SECONDS="600"))
            await harness.until("both to be there", lambda: leases_asked(harness, 2))
        await harness.drop("ORDERS_PAID")
        # It has never looked, so a look is due as soon as it may.
        await harness.until("all subscriptions", harness.all_there, seconds=10)


async def leases_asked(harness: Harness, wanted: int) -> bool:
    row = await harness.database.fetchrow(
        "select count(*) as n from pg_stat_activity where application_name = 'tillbridge lease'"
    )
    assert row is not None
    return int(row["n"]) >= wanted


async def test_topics_that_shopify_refuses_are_an_alert_and_no_gap_for_ever(
    harness: Harness, subscription_sync: SubscriptionSync
) -> None:
    """The app lacks an approval: what can be had is made, the rest is asked for again, and nothing is read for it."""
    watch, now = WebhookWatch(harness.database), datetime.now(UTC)
    first = await subscription_sync.apply(await subscription_sync.plan(), now)
    gap = (await watch.get(CONNECTION)).gap
    assert gap is not None
    await watch.close_gap(CONNECTION, gap, Gap(now, "again"))
    second = await subscription_sync.apply(await subscription_sync.plan(), now + timedelta(minutes=5))

    assert (len(first.created), list(first.refused)) == (11, ["REFUNDS_CREATE"])
    assert (second.created, list(second.refused)) == ([], ["REFUNDS_CREATE"])
    assert (await watch.get(CONNECTION)).gap == Gap(now, "again")


@pytest.fixture
def subscription_sync(harness: Harness) -> SubscriptionSync:
    """The sync of a shop that does not let us have one topic."""
    client = sandbox_client(harness.sandbox)

    async def execute(document: Document, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        if variables.get("topic") == "REFUNDS_CREATE":
            return {"webhookSubscriptionCreate": {"userErrors": [{"field": None, "message": "not approved"}]}}
        return await client.execute(document, variables)

    desired = desired_subscriptions(PUBLIC, CONNECTION, webhooks("shopify"))
    return SubscriptionSync(CONNECTION, desired, execute, WebhookWatch(harness.database), timedelta(hours=4))
