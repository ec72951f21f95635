from __future__ import annotations

from collections import defaultdict
from typing import Any

import orjson
import pytest

from tests.prove.generate import poison
from tests.prove.generate.entities import GENERATORS, fulfilment, order
from tests.prove.generate.load import Load
from tests.prove.generate.plan import PlannedChange, SubjectState, change_note, seq_of
from tests.prove.history import Mutation

SEED, ORDERS, SECONDS = 7, 300, 90.0
POISON_KINDS = [kind for generator in GENERATORS for kind in generator.poison_kinds]
Json = dict[str, Any]


def lifecycles() -> dict[int, list[PlannedChange]]:
    found: defaultdict[int, list[PlannedChange]] = defaultdict(list)
    changes = [*order.plan(SEED, ORDERS, SECONDS), *fulfilment.plan(SEED, ORDERS, SECONDS)]
    for change in sorted(changes, key=lambda one: one.at):
        found[change.number].append(change)
    return found


def test_a_seed_determines_the_plan() -> None:
    for plan in (order.plan, fulfilment.plan):
        assert plan(SEED, ORDERS, SECONDS) == plan(SEED, ORDERS, SECONDS)
        assert plan(SEED, ORDERS, SECONDS) != plan(SEED + 1, ORDERS, SECONDS)


def test_changes_of_an_order_are_numbered_in_order() -> None:
    for lifecycle in lifecycles().values():
        assert lifecycle[0].action == "new"
        assert [change.seq for change in lifecycle if change.seq] == list(
            range(1, 1 + sum(change.seq > 0 for change in lifecycle))
        )


def test_every_action_is_generated_in_both_directions() -> None:
    actions = {change.action for lifecycle in lifecycles().values() for change in lifecycle}
    parts = [sum(change.action == "ship" for change in lifecycle) for lifecycle in lifecycles().values()]

    assert actions == {"new", "edit", "pay", "cancel", "goods", "ship"}
    assert {0, 1, 2} == set(parts)


def test_an_order_does_not_change_after_shipping_or_cancelling() -> None:
    for lifecycle in lifecycles().values():
        actions = [change.action for change in lifecycle]
        for last in ("ship", "cancel"):
            if last in actions:
                assert set(actions[actions.index(last) :]) == {last}


def test_the_number_of_a_change_is_read_back_from_its_note() -> None:
    assert seq_of(change_note(12)["note"]) == 12
    assert [seq_of(other) for other in (None, "", "Please ring", "seq x")] == [0, 0, 0, 0]


def stored(**changes: Any) -> Json:
    there = {"status": "open", "custom": {"note": "seq 2"}, "total": 30.0}
    return {"order": there | changes, "payments": [{"amount": 30.0}], "lines": [], "invoices": []}


@pytest.mark.parametrize(
    ("changes", "seen"),
    [({}, True), ({"status": "pending"}, False), ({"custom": {"note": "seq 1"}}, False), ({"custom": {}}, False)],
    ids=["as it stands", "half built", "before the change", "without a note"],
)
def test_shipping_waits_until_the_store_has_the_last_change(changes: Json, seen: bool) -> None:
    assert fulfilment.has_change(SubjectState(SEED, 1001, "1", {}, seq=2), stored(**changes)) is seen


@pytest.mark.parametrize(
    ("paid", "total", "agree"),
    [
        ("30.00", "30.00", True),
        ("20.00", "30.00", False),
        ("30.00", "31.00", False),
        ("30.01", "30.01", False),
        ("40.00", "30.00", True),
    ],
)
def test_shipping_waits_until_payments_agree(paid: str, total: str, agree: bool) -> None:
    transactions = [{"kind": "sale", "amount": paid}, {"kind": "refund", "amount": "5.00"}]
    shop = {"order": {"total_price": "9.00", "current_total_price": total}, "transactions": transactions}

    assert fulfilment.agrees(shop, stored()) is agree


def test_a_partial_shipment_leaves_units_unless_there_is_only_one() -> None:
    two = [{"id": 1, "qty": 3}, {"id": 2, "qty": 1}]

    assert fulfilment.first_part(two) == [{"line_id": 1, "qty": 2}]
    assert fulfilment.first_part(two[1:]) == [{"line_id": 2, "qty": 1}]


def test_every_kind_of_poison_is_planned_with_unique_ids() -> None:
    planned = poison.plan(SEED, "main", 9, SECONDS, POISON_KINDS)

    assert {one.kind.name for one in planned} == {kind.name for kind in POISON_KINDS}
    assert len({one.envelope.id for one in planned}) == len({one.envelope.key for one in planned}) == 9
    assert all(0 <= one.at <= SECONDS for one in planned)


def test_poison_kinds_with_own_records_come_first_then_by_stage() -> None:
    names = [kind.name for kind in poison.by_stage(POISON_KINDS)]

    assert names == ["no currency", "no order", "half an invoice", "a future schema", "not JSON"]


def test_repairing_an_order_changes_only_its_currency() -> None:
    one, *_ = (one for one in poison.plan(SEED, "main", 5, SECONDS, POISON_KINDS) if one.document)
    lost, repaired = orjson.loads(one.envelope.body), one.details["repaired"]

    assert repaired["record"].pop("currency") == one.document["currency"]
    assert lost == repaired
    assert one.details["expected_outcome"] == "applied"
    assert one.envelope.key == f"main|{one.document['id']}".encode()


class FakeHistory(list[Mutation]):
    """A history in memory."""

    def record_mutation(self, row: Mutation) -> None:
        self.append(row)


async def test_changes_are_made_in_order_and_recorded_with_their_answers() -> None:
    calls: list[tuple[str, Any]] = []

    async def control(_: str, path: str, body: Any) -> tuple[int, Json]:
        calls.append((path, body))
        return (409, {"error": "no"}) if path.endswith("/cancel") else (200, {"webhook": {"ids": ["w1"]}})

    history = FakeHistory()
    lifecycle = [PlannedChange(0.0, 1001, "order", action, n, {"how": how})
            for n, (action, how) in enumerate((("new", "pending"), ("pay", "part"), ("cancel", "")), 1)]  # fmt: skip
    await Load(SEED, control, history).run(lifecycle)  # type: ignore[arg-type]

    assert [row.action for row in history] == ["new", "pay", "cancel"]
    assert [row.happened for row in history] == [True, True, False]
    assert history[0].webhooks == ["w1"]
    assert history[0].order == str(history[0].details["document"]["id"])
    assert [seq_of(body["note"]) for _, body in calls] == [1, 2, 3]


async def test_a_shipment_waits_until_the_store_has_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = 0

    async def control(method: str, path: str, _: Any) -> tuple[int, Json]:
        nonlocal reads
        if path.endswith("/ship"):
            return 201, {"invoice_id": 7}
        if path.startswith("/shopify"):
            return 200, {"order": {"total_price": "30.00"}, "transactions": [{"kind": "sale", "amount": "30.00"}]}
        reads += 1
        return (200, stored()) if reads > 2 else (404, {})

    monkeypatch.setattr("tests.prove.generate.load._FIRST_WAIT_SECONDS", 0.001)
    history = FakeHistory()
    change = PlannedChange(0.0, 1001, "fulfilment", "ship", details={"how": "ship"})
    await Load(SEED, control, history).run([change])  # type: ignore[arg-type]

    assert reads == 3
    assert (history[0].answer, history[0].details["tracking_number"]) == ({"invoice_id": 7}, "1Z1001-1")


async def test_an_unannounced_order_is_recorded_and_sends_no_webhook() -> None:
    calls: list[Any] = []

    async def control(_: str, path: str, body: Any) -> tuple[int, Json]:
        calls.append((path, body["webhook"]))
        return 200, {"id": "7"}

    history = FakeHistory()
    await Load(SEED, control, history).create_unannounced("order", {"id": 7, "name": "#900001"})  # type: ignore[arg-type]

    assert calls == [("/shopify/orders?items=false", False)]
    assert [(row.order, row.name, row.action, row.seq) for row in history] == [("7", "#900001", "new", 1)]
