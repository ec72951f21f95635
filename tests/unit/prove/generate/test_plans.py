from __future__ import annotations

from collections import defaultdict
from typing import Any

import orjson
import pytest

from tests.prove.generate import poison
from tests.prove.generate.entities import GENERATORS, fulfilment, order
from tests.prove.generate.load import Load
from tests.prove.generate.plan import Placed, Planned, remark, seq_of
from tests.prove.history import Mutation

SEED, ORDERS, SECONDS = 7, 300, 90.0
KINDS = [kind for generator in GENERATORS for kind in generator.kinds]
Json = dict[str, Any]


def lives() -> dict[int, list[Planned]]:
    found: defaultdict[int, list[Planned]] = defaultdict(list)
    steps = [*order.plan(SEED, ORDERS, SECONDS), *fulfilment.plan(SEED, ORDERS, SECONDS)]
    for step in sorted(steps, key=lambda one: one.at):
        found[step.number].append(step)
    return found


def test_plans_are_functions_of_their_arguments() -> None:
    for plan in (order.plan, fulfilment.plan):
        assert plan(SEED, ORDERS, SECONDS) == plan(SEED, ORDERS, SECONDS)
        assert plan(SEED, ORDERS, SECONDS) != plan(SEED + 1, ORDERS, SECONDS)


def test_every_order_begins_and_its_changes_are_numbered_in_their_order() -> None:
    for life in lives().values():
        assert life[0].action == "new"
        assert [step.seq for step in life if step.seq] == list(range(1, 1 + sum(step.seq > 0 for step in life)))


def test_all_that_happens_to_orders_happens_in_both_directions() -> None:
    actions = {step.action for life in lives().values() for step in life}
    parts = [sum(step.action == "ship" for step in life) for life in lives().values()]

    assert actions == {"new", "edit", "pay", "cancel", "goods", "ship"}
    assert {0, 1, 2} == set(parts)


def test_nothing_happens_to_an_order_after_its_goods_have_left_or_it_was_cancelled() -> None:
    for life in lives().values():
        actions = [step.action for step in life]
        for last in ("ship", "cancel"):
            if last in actions:
                assert set(actions[actions.index(last) :]) == {last}


def test_the_number_of_a_change_is_read_back_from_its_note() -> None:
    assert seq_of(remark(12)["note"]) == 12
    assert [seq_of(other) for other in (None, "", "Please ring", "seq x")] == [0, 0, 0, 0]


def picture(**changes: Any) -> Json:
    there = {"status": "open", "custom": {"note": "seq 2"}, "total": 30.0}
    return {"order": there | changes, "payments": [{"amount": 30.0}], "lines": [], "invoices": []}


@pytest.mark.parametrize(
    ("changes", "seen"),
    [({}, True), ({"status": "pending"}, False), ({"custom": {"note": "seq 1"}}, False), ({"custom": {}}, False)],
    ids=["as it stands", "half built", "before the change", "without a note"],
)
def test_goods_leave_only_when_the_store_has_seen_the_last_change(changes: Json, seen: bool) -> None:
    assert fulfilment.has_seen(Placed(SEED, 1001, "1", {}, seq=2), picture(**changes)) is seen


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
def test_goods_leave_only_when_money_agrees(paid: str, total: str, agree: bool) -> None:
    transactions = [{"kind": "sale", "amount": paid}, {"kind": "refund", "amount": "5.00"}]
    shop = {"order": {"total_price": "9.00", "current_total_price": total}, "transactions": transactions}

    assert fulfilment.agrees(shop, picture()) is agree


def test_a_first_part_leaves_something_behind_unless_there_is_only_one_unit() -> None:
    two = [{"id": 1, "qty": 3}, {"id": 2, "qty": 1}]

    assert fulfilment.first_part(two) == [{"line_id": 1, "qty": 2}]
    assert fulfilment.first_part(two[1:]) == [{"line_id": 2, "qty": 1}]


def test_each_kind_of_poison_is_given_and_none_twice_under_one_name() -> None:
    planned = poison.plan(SEED, "main", 9, SECONDS, KINDS)

    assert {one.kind.name for one in planned} == {kind.name for kind in KINDS}
    assert len({one.envelope.id for one in planned}) == len({one.envelope.key for one in planned}) == 9
    assert all(0 <= one.at <= SECONDS for one in planned)


def test_poison_comes_in_turn_records_of_their_own_first_and_then_along_the_road() -> None:
    names = [kind.name for kind in poison.in_turn(KINDS)]

    assert names == ["no currency", "no order", "half an invoice", "a future schema", "not JSON"]


def test_what_is_repaired_of_an_order_is_only_its_currency() -> None:
    one, *_ = (one for one in poison.plan(SEED, "main", 5, SECONDS, KINDS) if one.document)
    lost, repaired = orjson.loads(one.envelope.body), one.details["repaired"]

    assert repaired["record"].pop("currency") == one.document["currency"]
    assert lost == repaired
    assert one.details["ends"] == "applied"
    assert one.envelope.key == f"main|{one.document['id']}".encode()


class Pages(list[Mutation]):
    """A history in memory."""

    def mutated(self, row: Mutation) -> None:
        self.append(row)


async def test_changes_of_an_order_are_made_in_order_and_noted_with_what_the_shop_said() -> None:
    asked: list[tuple[str, Any]] = []

    async def control(_: str, path: str, body: Any) -> tuple[int, Json]:
        asked.append((path, body))
        return (409, {"error": "no"}) if path.endswith("/cancel") else (200, {"webhook": {"ids": ["w1"]}})

    pages = Pages()
    life = [Planned(0.0, 1001, "order", action, n, {"how": how})
            for n, (action, how) in enumerate((("new", "pending"), ("pay", "part"), ("cancel", "")), 1)]  # fmt: skip
    await Load(SEED, control, pages).run(life)  # type: ignore[arg-type]

    assert [row.action for row in pages] == ["new", "pay", "cancel"]
    assert [row.happened for row in pages] == [True, True, False]
    assert pages[0].webhooks == ["w1"]
    assert pages[0].order == str(pages[0].details["document"]["id"])
    assert [seq_of(body["note"]) for _, body in asked] == [1, 2, 3]


async def test_a_shipment_waits_until_the_store_has_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    async def control(method: str, path: str, _: Any) -> tuple[int, Json]:
        nonlocal looks
        if path.endswith("/ship"):
            return 201, {"invoice_id": 7}
        if path.startswith("/shopify"):
            return 200, {"order": {"total_price": "30.00"}, "transactions": [{"kind": "sale", "amount": "30.00"}]}
        looks += 1
        return (200, picture()) if looks > 2 else (404, {})

    monkeypatch.setattr("tests.prove.generate.load._FIRST_WAIT_SECONDS", 0.001)
    pages = Pages()
    step = Planned(0.0, 1001, "fulfilment", "ship", details={"how": "ship"})
    await Load(SEED, control, pages).run([step])  # type: ignore[arg-type]

    assert looks == 3
    assert (pages[0].answer, pages[0].details["tracking_number"]) == ({"invoice_id": 7}, "1Z1001-1")


async def test_an_order_that_is_placed_for_a_repair_is_noted_and_told_to_nobody() -> None:
    asked: list[Any] = []

    async def control(_: str, path: str, body: Any) -> tuple[int, Json]:
        asked.append((path, body["webhook"]))
        return 200, {"id": "7"}

    pages = Pages()
    await Load(SEED, control, pages).place("order", {"id": 7, "name": "#900001"})  # type: ignore[arg-type]

    assert asked == [("/shopify/orders?items=false", False)]
    assert [(row.order, row.name, row.action, row.seq) for row in pages] == [("7", "#900001", "new", 1)]
