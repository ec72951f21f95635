"""What our own tables say of an order before anything is concluded of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.canonical.alert import Alert
from shared.entities.order.compare.snapshot import StoredOrderState
from shared.entities.order.compare.stored_state import StoredOrderStates
from shared.operations.comparison.subjects import subject_of
from shared.state.alerts import Alerts
from shared.state.database import Database
from shared.state.drift import DriftLedger, Finding
from shared.state.journal import Journal
from shared.state.reviews import Reviews
from tests.support.journal import HOP
from tests.support.messaging import NOON

SUBJECT = subject_of("order")


async def stored(database: Database) -> StoredOrderState:
    return (await StoredOrderStates(database, SUBJECT.names(), timedelta(hours=1)).of("main", ["1"], NOON)).by_id["1"]


async def ask(database: Database, kind: str = "order_unbalanced", entity: str = "order") -> int:
    reviews = Reviews(database)
    await reviews.open("main", kind, entity, "1", "odd", "look", {"order": "#1"})
    return max(row.id for row in await reviews.list())


async def test_an_order_is_busy_while_a_review_is_open_and_then_what_was_decided_is_known(database_url: str) -> None:
    async with Database.open(database_url, 1) as database:
        number = await ask(database)
        assert (await stored(database)).in_progress == "a review is open"
        [asked] = await Reviews(database).list()
        await Reviews(database).decide(number, "done")

        there = await stored(database)
        [decided] = await Reviews(database).list("decided")
        assert (there.in_progress, there.decided["order"].asked_at) == ("", asked.updated_at)
        assert there.decided["order"].decided_at == decided.updated_at > asked.updated_at
        assert decided.details["order"] == "#1"


async def test_an_order_that_was_not_written_is_busy_only_while_its_review_is_open(database_url: str) -> None:
    async with Database.open(database_url, 1) as database:
        await database.execute(
            "insert into versions (connection, entity, key, target, version, content_hash, blocked) "
            "values ('main', 'order', '1', 'heartland', $1, 'abc', true)",
            NOON,
        )
        there = await stored(database)

    assert (there.in_progress, there.blocked, there.content_hash) == ("", True, "abc")


async def test_what_was_to_be_tried_again_and_what_the_ledger_tells_of_was_not_settled(database_url: str) -> None:
    async with Database.open(database_url, 1) as database:
        await Reviews(database).decide(await ask(database), "retry")
        await Reviews(database).decide(await ask(database, "total_differs"), "done")
        ledger = DriftLedger(database)
        row = await ledger.saw(Finding("main", "order", "1", "total_differs", "odd"), NOON)
        await ledger.becomes(row.id, "review")

        assert (await stored(database)).decided == {}


@pytest.mark.parametrize(
    ("kind", "entity", "minutes", "in_progress"),
    [
        pytest.param("dead_letter", "order", -1, "it is a dead letter", id="the order was written before it"),
        pytest.param("dead_letter", "order", 1, "", id="the order was written since"),
        pytest.param("key_halted", "order", 1, "it is a dead letter", id="its key waits all the same"),
        pytest.param("dead_letter", "fulfilment", 1, "it is a dead letter", id="a shipment is no state of the order"),
        pytest.param("dead_letter", "link", -1, "", id="a link is no part of the order"),
    ],
)
async def test_a_letter_hides_an_order_until_it_is_written(
    database_url: str, kind: str, entity: str, minutes: int, in_progress: str
) -> None:
    at = NOON + timedelta(minutes=minutes)
    hop = HOP.model_copy(update={"key": "1", "entity": entity, "started_at": at, "finished_at": at})
    alert = Alert(kind=kind, connection="main", entity=entity, key="1", service=hop.service, reason="no", at=NOON)
    async with Database.open(database_url, 1) as database:
        await Alerts(database).take([alert])
        await Journal(database).add([hop])

        assert (await stored(database)).in_progress == in_progress
