"""Operations on the real database: what they do, and what they leave in the audit trail."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from shared.canonical.alert import Alert
from shared.errors import Misconfigured, Rejected, TargetDown
from shared.operations.alerts import close_alerts, list_alerts
from shared.operations.connections import get_connection, list_connections, put_connection
from shared.operations.drift import get_drift, ignore_drift, list_drift
from shared.operations.reviews import list_reviews
from shared.state.alerts import Alerts
from shared.state.audit import Audit
from shared.state.connections import Connection
from shared.state.database import Database
from shared.state.drift import Drift, DriftLedger, Finding
from shared.state.reviews import Reviews
from tests.support.messaging import NOON

KEY = base64.b64encode(bytes(32)).decode()
SHOP = {"shopify": {"shop_domain": "harbor.myshopify.com", "client_secret": "hush"}, "heartland": {"api_token": "hush"}}
IMITATED = {"shopify": {"base_url": "http://sandbox", "client_secret": "hush"}}


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url, 2) as database:
        yield database


async def states(db: Database) -> list[tuple[str, str, str]]:
    return [(entry.action, entry.object, entry.details["state"]) for entry in await Audit(db).entries()]


async def a_difference(db: Database, kind: str = "order_missing") -> Drift:
    finding = Finding("main", "order", "1", kind, "not there", Decimal("5.00"), "USD")
    return await DriftLedger(db).saw(finding, NOON)


async def raise_alert(db: Database, kind: str, key: str, connection: str = "main") -> None:
    alert = Alert(kind=kind, connection=connection, entity="order", key=key, service="x", reason="y", at=NOON)
    await Alerts(db).take([alert])


async def test_alerts_of_a_kind_are_closed_each_with_its_own_record(db: Database) -> None:
    for kind, key in (("dead_letter", "1"), ("dead_letter", "2"), ("drift", "1")):
        await raise_alert(db, kind, key)

    closed = await close_alerts(db, "dead_letter", "seen", "ann")

    assert sorted(row.key for row in closed) == ["1", "2"]
    assert [row.kind for row in await list_alerts(db)] == ["drift"]
    assert {row.state for row in await list_alerts(db, "resolved")} == {"resolved"}
    assert [(action, state) for action, _, state in await states(db)] == [
        ("alert.close", "requested"), ("alert.close", "done"),
    ] * 2  # fmt: skip


@pytest.mark.parametrize("which", ["7", "no_such_kind", "9" * 40])
async def test_an_alert_that_is_not_open_is_refused_and_leaves_no_record(db: Database, which: str) -> None:
    with pytest.raises(Rejected, match="alerts list"):
        await close_alerts(db, which, "seen", "ann")

    assert await Audit(db).entries() == []


async def test_an_ignored_difference_ends_its_review_and_its_alert(db: Database) -> None:
    row = await a_difference(db)
    await Reviews(db).open("main", "order_missing", "order", "1", "not there", "look", {})
    await raise_alert(db, "drift", "1")

    assert await ignore_drift(db, row.id, "paid in cash", "ann") == row

    assert (await get_drift(db, row.id)).state == "ignored"
    assert (await list_drift(db), await list_reviews(db), await list_alerts(db)) == ([], [], [])
    assert [one.id for one in await list_drift(db, "ignored")] == [row.id]
    number = str(row.id)
    assert await states(db) == [("drift.ignore", number, "requested"), ("drift.ignore", number, "done")]


async def test_an_act_that_breaks_in_the_middle_has_its_record(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    row = await a_difference(db)

    async def breaks(*_: object) -> bool:
        raise TargetDown("gone")

    monkeypatch.setattr(DriftLedger, "becomes", breaks)
    with pytest.raises(TargetDown):
        await ignore_drift(db, row.id, "paid in cash", "ann")

    assert [state for *_, state in await states(db)] == ["requested", "failed"]


async def test_differences_are_selected_by_entity_and_connection(db: Database) -> None:
    row = await a_difference(db)

    assert await list_drift(db, entity="order", connection="main") == [row]
    assert await list_drift(db, entity="payment") == await list_drift(db, connection="other") == []
    with pytest.raises(Rejected, match="no difference"):
        await get_drift(db, row.id + 1)


async def test_reviews_are_selected_by_connection(db: Database) -> None:
    for connection in ("main", "second"):
        await Reviews(db).open(connection, "order_unbalanced", "order", "1", "off by a cent", "compare", {})

    assert [row.connection for row in await list_reviews(db, connection="second")] == ["second"]
    assert len(await list_reviews(db)) == 2
    assert await list_reviews(db, "decided") == []


async def test_a_connection_is_shown_without_its_secrets(db: Database) -> None:
    await put_connection(db, KEY, Connection("harbor", SHOP))

    [listed] = await list_connections(db, KEY)
    assert listed == await get_connection(db, KEY, "harbor")
    assert (listed.is_sandbox, listed.accounts["shopify"]) == (False, {"shop_domain": "harbor.myshopify.com"})
    assert listed.credentials == {"shopify": ["client_secret", "shop_domain"], "heartland": ["api_token"]}
    assert "hush" not in repr(listed)
    with pytest.raises(Rejected, match="no connection 'other'"):
        await get_connection(db, KEY, "other")


async def test_a_sandbox_starts_without_state_and_never_deletes_that_of_real_accounts(db: Database) -> None:
    await put_connection(db, KEY, Connection("main", IMITATED))
    await Reviews(db).open("main", "order_unbalanced", "order", "1", "off by a cent", "compare", {})
    await put_connection(db, KEY, Connection("main", IMITATED), forget_records=True)
    assert await list_reviews(db) == []

    await put_connection(db, KEY, Connection("main", SHOP))
    with pytest.raises(Misconfigured, match="real accounts"):
        await put_connection(db, KEY, Connection("main", IMITATED), forget_records=True)
    assert not (await get_connection(db, KEY, "main")).is_sandbox
