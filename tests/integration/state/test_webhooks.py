"""What is remembered of webhooks, in a real database."""

from __future__ import annotations

from datetime import timedelta

from shared.state.database import Database
from shared.state.purge import forget
from shared.state.webhook_counts import Seen, WebhookCounts
from shared.state.webhook_watch import Gap, Watched, WebhookWatch
from tests.support.messaging import NOON

EARLIER = NOON - timedelta(hours=2)


async def test_counts_of_an_hour_add_up(db: Database) -> None:
    counts = WebhookCounts(db)
    await counts.add({("main", NOON): Seen(3, NOON + timedelta(minutes=4)), ("other", NOON): Seen(9, NOON)})
    await counts.add({("main", NOON): Seen(2, NOON + timedelta(minutes=1))})
    await counts.add({})

    assert await counts.since("main", EARLIER) == {NOON: Seen(5, NOON + timedelta(minutes=4))}
    assert await counts.since("main", NOON + timedelta(hours=1)) == {}


async def test_old_counts_are_dropped(db: Database) -> None:
    counts = WebhookCounts(db)
    await counts.add({("main", EARLIER): Seen(1, EARLIER), ("main", NOON): Seen(1, NOON)})

    assert await counts.forget(NOON) == 1
    assert list(await counts.since("main", EARLIER)) == [NOON]


async def test_a_gap_grows_backwards_and_is_closed_as_it_was_filled(db: Database) -> None:
    watch = WebhookWatch(db)
    await watch.note_gap("main", Gap(NOON, "subscription"))
    await watch.note_gap("main", Gap(EARLIER, "silence"))
    await watch.close_gap("main", Gap(NOON, "subscription"))

    assert (await watch.get("main")).gap == Gap(EARLIER, "subscription")
    await watch.close_gap("main", Gap(EARLIER, "subscription"))
    assert (await watch.get("main")).gap is None


async def test_no_other_cause_hides_that_subscriptions_were_lost(db: Database) -> None:
    watch = WebhookWatch(db)
    await watch.note_gap("main", Gap(EARLIER, "again"))
    await watch.note_gap("main", Gap(NOON, "subscription"))
    await watch.note_gap("main", Gap(NOON, "silence"))

    assert (await watch.get("main")).gap == Gap(EARLIER, "subscription")


async def test_good_times_only_go_forwards_and_silence_comes_and_goes(db: Database) -> None:
    watch = WebhookWatch(db)
    assert await watch.get("main") == Watched()
    await watch.note_good("main", NOON)
    await watch.note_good("main", EARLIER)
    await watch.note_silence("main", NOON)
    assert await watch.get("main") == Watched(NOON, None, NOON)
    await watch.note_silence("main", None)

    assert await watch.get("main") == Watched(NOON)


async def test_a_connection_that_begins_anew_is_forgotten(db: Database) -> None:
    await WebhookWatch(db).note_good("main", NOON)
    await WebhookCounts(db).add({("main", NOON): Seen(1, NOON)})
    await forget(db, "main")

    assert await WebhookWatch(db).get("main") == Watched()
    assert await WebhookCounts(db).since("main", EARLIER) == {}
