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
from tests.integration.poller.place import CONNECTION, PUBLIC, Place, open_place
from tests.support.shop_server import sandbox_client

pytestmark = pytest.mark.timeout(120)
FOREIGN = """mutation { webhookSubscriptionCreate(topic: ORDERS_CREATE, webhookSubscription: {
    uri: "https://others.example.com/hook", name: "theirs"}) { webhookSubscription { id } userErrors { message } } }"""


@pytest.fixture
async def place(engine: Engine, database_url: str, topic_prefix: str) -> AsyncIterator[Place]:
    async with open_place(engine, database_url, topic_prefix) as opened:
        yield opened


async def graphql(place: Place, query: str) -> None:
    told = place.sandbox.world.settings
    login = {"client_id": told.sandbox_client_id, "client_secret": told.sandbox_client_secret}
    grant = {**login, "grant_type": "client_credentials"}
    async with place.sandbox.session.post(f"{place.sandbox.url}/admin/oauth/access_token", json=grant) as answer:
        headers = {"X-Shopify-Access-Token": (await answer.json())["access_token"]}
    url = f"{place.sandbox.url}/admin/api/2026-10/graphql.json"
    async with place.sandbox.session.post(url, json={"query": query}, headers=headers) as answer:
        assert "errors" not in await answer.json()


async def test_a_new_connection_is_subscribed_and_what_came_since_it_was_made_is_read(place: Place) -> None:
    early = {await place.order(41)}
    async with place.polling():
        await place.until("all subscriptions", place.all_there)
        await place.until("a notice of what came before", lambda: early <= place.notified())
        rows = await place.subscriptions()

    assert {row["uri"] for row in rows} == {f"{PUBLIC}/webhooks/shopify/{CONNECTION}"}
    assert len({row["topic"] for row in rows}) == 12
    assert place.alert("subscription_recreated") is None


async def test_a_lost_subscription_is_made_anew_and_the_orders_in_between_are_read(place: Place) -> None:
    async with place.polling():
        await place.until("all subscriptions", place.all_there)
        await graphql(place, FOREIGN)
        await place.until("a good look", lambda: is_good(place))
        await place.drop("ORDERS_CREATE")
        await graphql(place, FOREIGN)
        missed = {await place.order(number) for number in (51, 52, 53)}
        await place.until("all subscriptions and the other's", lambda: how_many(place, 13))
        await place.until("notices of what was missed", lambda: missed <= place.notified())
        alert = await place.until("the alert", lambda: place.alert("subscription_recreated"))

    assert int(alert["details"]["orders"]) >= 3
    assert alert["severity"] == "warning"
    assert "https://others.example.com/hook" in {row["uri"] for row in await place.subscriptions()}
    notice = next(notice for notice in place.notices if notice.subject == "51")
    assert notice.id.startswith(f"gap:{CONNECTION}:51:")
    assert (notice.type, notice.priority, notice.extra["x-cause"]) == ("shopify.orders/repair", "repair", "gap")


async def is_good(place: Place) -> bool:
    return (await WebhookWatch(place.database).get(CONNECTION)).good_at is not None


async def how_many(place: Place, wanted: int) -> bool:
    return len(await place.subscriptions()) == wanted


async def test_what_nobody_filled_before_a_crash_is_filled_after_it(place: Place) -> None:
    """The command makes subscriptions anew and notes the gap; whoever polls next fills it."""
    async with place.polling():
        await place.until("all subscriptions", place.all_there)
        await place.until("a good look", lambda: is_good(place))
    await place.drop()
    missed = {await place.order(number) for number in (61, 62)}
    rehearsed = await sync(SubscriptionSettings.from_env(place.environ), CONNECTION, dry_run=True)
    assert await place.subscriptions() == []
    [done] = await sync(SubscriptionSettings.from_env(place.environ), CONNECTION, dry_run=False)
    assert await place.all_there()

    async with place.polling():
        await place.until("notices of what was missed", lambda: missed <= place.notified())
        await place.until("the alert", lambda: place.alert("subscription_recreated"))
        await place.until("no gap any more", lambda: is_whole(place))
    assert [row.step for row in rehearsed[0].steps] == ["create"] * 12
    assert done.is_right


async def is_whole(place: Place) -> bool:
    return (await WebhookWatch(place.database).get(CONNECTION)).gap is None


async def test_a_shop_that_gave_us_up_after_hours_of_failing_is_heard_from_again(place: Place) -> None:
    """Nobody answers at our address: the shop tries, gives up, and drops the subscriptions, one by one."""
    await place.sandbox.control("POST", "/shopify/options", {"webhook_retry_seconds": ",".join(["0.05"] * 8)})
    async with place.polling():
        await place.until("all subscriptions", place.all_there)
        await place.until("no gap any more", lambda: is_whole(place))
        missed = {await place.order(91, webhook=True)}
        await place.until("the shop giving up", lambda: gave_up(place))
        await place.until("notices of what was missed", lambda: missed <= place.notified())
        await place.until("the alert", lambda: place.alert("subscription_recreated"))
        await place.until("all subscriptions", place.all_there)


async def gave_up(place: Place) -> bool:
    rows = (await place.sandbox.control("GET", "/shopify/deliveries"))["deliveries"]
    return any(row["outcome"] == "failed" for row in rows)


async def test_an_order_that_is_listed_late_is_read_with_the_next_look(place: Place) -> None:
    async with place.polling():
        await place.until("all subscriptions", place.all_there)
        await place.until("no gap any more", lambda: is_whole(place))
        stale = {"system": "shopify", "kind": "stale_reads", "operation": "orders", "seconds": 60, "times": 1}
        await place.sandbox.faults(stale)
        await place.drop()
        await place.order(95)
        await place.until("a notice", lambda: "95" in place.notified())
        assert await place.sandbox.fault_hits() == [1]


async def test_a_shop_that_is_away_is_filled_when_it_is_back(place: Place) -> None:
    async with place.polling():
        await place.until("all subscriptions", place.all_there)
        await place.until("a good look", lambda: is_good(place))
        await place.sandbox.faults({"system": "shopify", "kind": "outage", "operation": "ListChangedOrders"})
        await place.drop()
        missed = {await place.order(71)}
        await place.until("an attempt that fails", lambda: has_hit(place))
        assert not missed & place.notified()
        await place.sandbox.faults()
        await place.until("notices of what was missed", lambda: missed <= place.notified())


async def has_hit(place: Place) -> bool:
    return sum(await place.sandbox.fault_hits()) > 0


async def test_silence_against_the_usual_rate_is_an_alert_and_ends_with_traffic(place: Place) -> None:
    counts, now = WebhookCounts(place.database), datetime.now(UTC)
    top = now.replace(minute=0, second=0, microsecond=0)
    usual = {top - timedelta(hours=back): top - timedelta(hours=back, seconds=-1) for back in range(2, 24 * 6)}
    await counts.add({(CONNECTION, hour): Seen(200, last) for hour, last in usual.items()})
    missed = {await place.order(81)}

    async with place.polling(INGRESS_PUBLIC_URL=""):
        alert = await place.until("the alert", lambda: place.alert("webhook_silence"))
        await place.until("notices of what was missed", lambda: missed <= place.notified())
        assert (alert["severity"], alert["details"]["seen"]) == ("warning", "0")
        assert float(alert["details"]["expected"]) > 100

        later = datetime.now(UTC)
        hours = {top - timedelta(hours=back): 200 for back in range(6)}
        await counts.add({(CONNECTION, hour): Seen(count, later) for hour, count in hours.items()})
        await place.until("its end", lambda: place.alert("webhook_silence", resolved=True))
    assert await place.subscriptions() == []


async def test_two_replicas_do_no_double_work_and_one_goes_on_alone(place: Place) -> None:
    async with AsyncExitStack() as first, place.polling():
        await place.until("all subscriptions", place.all_there)
        await first.enter_async_context(place.polling())
        await place.until("both to be there", lambda: leases_asked(place, 2))
        await place.until("a good look", lambda: is_good(place))
        await place.drop("ORDERS_PAID")
        await place.until("the alert", lambda: place.alert("subscription_recreated"))
        assert len([alert for alert in place.alerts if alert["kind"] == "subscription_recreated"]) == 1


async def test_when_the_replica_that_polls_leaves_the_other_takes_over(place: Place) -> None:
    async with AsyncExitStack() as second:
        async with place.polling():
            await place.until("all subscriptions", place.all_there)
            await second.enter_async_context(place.polling(SUBSCRIPTION_CHECK_SECONDS="600"))
            await place.until("both to be there", lambda: leases_asked(place, 2))
        await place.drop("ORDERS_PAID")
        # It has never looked, so a look is due as soon as it may.
        await place.until("all subscriptions", place.all_there, seconds=10)


async def leases_asked(place: Place, wanted: int) -> bool:
    row = await place.database.fetchrow(
        "select count(*) as n from pg_stat_activity where application_name = 'tillbridge lease'"
    )
    assert row is not None
    return int(row["n"]) >= wanted


async def test_topics_that_shopify_refuses_are_an_alert_and_no_gap_for_ever(
    place: Place, subscription_sync: SubscriptionSync
) -> None:
    """The app lacks an approval: what can be had is made, the rest is asked for again, and nothing is read for it."""
    watch, now = WebhookWatch(place.database), datetime.now(UTC)
    first = await subscription_sync.apply(await subscription_sync.plan(), now)
    gap = (await watch.get(CONNECTION)).gap
    assert gap is not None
    await watch.close_gap(CONNECTION, gap, Gap(now, "again"))
    second = await subscription_sync.apply(await subscription_sync.plan(), now + timedelta(minutes=5))

    assert (len(first.created), list(first.refused)) == (11, ["REFUNDS_CREATE"])
    assert (second.created, list(second.refused)) == ([], ["REFUNDS_CREATE"])
    assert (await watch.get(CONNECTION)).gap == Gap(now, "again")


@pytest.fixture
def subscription_sync(place: Place) -> SubscriptionSync:
    """The sync of a shop that does not let us have one topic."""
    client = sandbox_client(place.sandbox)

    async def execute(document: Document, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        if variables.get("topic") == "REFUNDS_CREATE":
            return {"webhookSubscriptionCreate": {"userErrors": [{"field": None, "message": "not approved"}]}}
        return await client.execute(document, variables)

    desired = desired_subscriptions(PUBLIC, CONNECTION, webhooks("shopify"))
    return SubscriptionSync(CONNECTION, desired, execute, WebhookWatch(place.database), timedelta(hours=4))
