"""The checker passes a run without violations, and finds each kind of violation that is planted in it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.prove.check.run_builder import (
    CANCELLED,
    EDITED,
    MADE,
    PAID,
    POISON,
    START,
    SyntheticRun,
    at,
    clean_run,
    shipment,
)

ROOT = Path(__file__).parents[4]
Damage = Callable[[SyntheticRun], object]


def test_a_clean_run_passes(tmp_path: Path) -> None:
    report = clean_run().check(tmp_path)
    assert report.failures == []
    assert report.verdict == "pass"
    assert (report.dlq_expected, report.dlq_actual) == (1, 1)
    assert report.checked["orders"] == 2
    assert report.checked["shipments"] == 2


def without_record(run: SyntheticRun, name: str) -> None:
    run.topics.remove(run.records(name)[0])


def without_hops(run: SyntheticRun, name: str) -> None:
    for hop in run.hops(name):
        run.topics.remove(hop)


def renamed(run: SyntheticRun, name: str, outcome: str) -> None:
    run.hops(name)[0]["value"]["outcome"] = outcome


def repeated(run: SyntheticRun, operation: str) -> None:
    row = next(row for row in run.journal if row["operation"] == operation)
    run.journal.append({**row, "number": 99})


def wrote_an_earlier_change(run: SyntheticRun) -> None:
    run.write("PUT sales/orders/#", "/api/sales/orders/41", {"custom@note": "seq 2"})


def shipped_out_of_order(run: SyntheticRun) -> None:
    rows = [row for row in run.journal if row["operation"] == "fulfillmentCreate"]
    rows[0]["body"], rows[1]["body"] = rows[1]["body"], rows[0]["body"]


def went_back_a_version(run: SyntheticRun) -> None:
    run.hops("c2")[0]["value"]["source_time"] = at(-5)


def echoed(run: SyntheticRun) -> None:
    for number in range(5):
        run.process("canonical.order", f"e{number}", PAID, "applied", 60 + number, lineage=[], content_hash="same")


def changed(run: SyntheticRun, *path: str | int, value: object) -> None:
    place = run.heartland(PAID)
    for name in path[:-1]:
        place = place[name]  # type: ignore[index]
    place[path[-1]] = value  # type: ignore[index]


def committed_early(run: SyntheticRun) -> None:
    """Past a record that is finished at 12.1 seconds only."""
    row = {"group": "heartland_writer", "topic": "canonical.order", "partition": 0, "offset": 2}
    run.offsets.append({"at": at(5), "why": "kill heartland-writer", **row})


def dead_lettered_good_record(run: SyntheticRun) -> None:
    dead_letter = run.dead_letter(POISON)
    run.topics.append({**dead_letter, "headers": dead_letter["headers"] | {"ce_id": "c1"}})


def replayed_unrepaired(run: SyntheticRun) -> None:
    again = {"x-replay-id": "r1", "x-edited-from": POISON}
    run.process("canonical.fulfilment", "poison-2", POISON, "applied", 90)
    run.records("poison-2")[0]["headers"] |= again


def required(run: SyntheticRun, **what: object) -> None:
    run.settings["required"] = what


def planned_faults(run: SyntheticRun, kind: str, target: str) -> None:
    times = {"at": at(90), "began": at(89), "healed": at(89)}
    run.history.append({"kind": "fault", "fault": kind, "target": target, "details": {}, **times})


def many_webhooks(run: SyntheticRun, *faults: str) -> None:
    """A hundred deliveries, the first ones with the given faults."""
    for number in range(100 - len(run.deliveries)):
        fault = faults[number] if number < len(faults) else ""
        told = {"webhook_id": f"m{number}", "topic": "orders/updated", "resource": "#1"}
        run.deliveries.append({**told, "outcome": "failed", "fault": fault})


def grown(run: SyntheticRun) -> None:
    for number, row in enumerate(run.memory):
        row["rss"] = 50_000_000 + 3_000_000 * number


PLANTED: list[tuple[str, str, Damage]] = [
    ("an acknowledged webhook on no topic", "lost", lambda s: without_record(s, "w1")),
    ("an invoice on no topic", "lost", lambda s: without_record(s, "i32")),
    ("an unfinished webhook record", "lost", lambda s: without_hops(s, "w2")),
    ("an order that was only retried", "lost", lambda s: renamed(s, "c2", "retrying")),
    ("a parked shipment without a reason", "lost", lambda s: renamed(s, "f31", "parked")),
    ("published without an output record", "lost", lambda s: without_record(s, "c1")),
    ("superseded by nothing", "lost", lambda s: renamed(s, "c3", "superseded")),
    ("an unfinished redelivery", "lost", lambda s: s.add_record("raw.shopify.order", "w1", PAID, 60)),
    ("an order created twice", "duplicated", lambda s: repeated(s, "POST sales/orders")),
    ("a payment booked twice", "duplicated", lambda s: repeated(s, "POST sales/orders/#/payments")),
    ("a customer created twice", "duplicated", lambda s: repeated(s, "POST customers")),
    ("a line added twice", "duplicated", lambda s: repeated(s, "POST sales/orders/#/lines")),
    ("a shipment created twice", "duplicated", lambda s: repeated(s, "fulfillmentCreate")),
    ("an earlier change after a later one", "reordered", wrote_an_earlier_change),
    ("the second shipment before the first", "reordered", shipped_out_of_order),
    ("an older version applied last", "reordered", went_back_a_version),
    ("an unchanged state written repeatedly", "echoed", echoed),
    ("a cent too much", "disagreeing", lambda s: changed(s, "order", "total", value=33.51)),
    ("a missing tax", "disagreeing", lambda s: changed(s, "taxes", value=[])),
    ("a line with one unit too many", "disagreeing", lambda s: changed(s, "lines", 0, "qty", value=3)),
    ("a missing payment", "disagreeing", lambda s: s.heartland(PAID)["payments"].pop()),
    ("an order that is still open", "disagreeing", lambda s: changed(s, "order", "status", value="open")),
    ("an outdated state", "disagreeing", lambda s: changed(s, "order", "custom", "note", value="seq 2")),
    ("not cancelled", "disagreeing", lambda s: s.heartland(CANCELLED)["order"].update(status="open")),
    ("an order that never arrived", "disagreeing", lambda s: s.final_state[0].update(heartland=None)),
    ("missing metafields in Shopify", "disagreeing", lambda s: s.shopify(PAID)["metafields"].clear()),
    ("a shipment missing in Shopify", "disagreeing", lambda s: s.shopify(PAID)["fulfillments"].pop()),
    ("no dead letter of a poison record", "dead_letters", lambda s: s.topics.remove(s.dead_letter(POISON))),
    ("a dead letter of a good record", "dead_letters", dead_lettered_good_record),
    ("a dead letter with another body", "dead_letters", lambda s: s.dead_letter(POISON).update(value={"other": 1})),
    ("a dead letter that lost a header", "dead_letters", lambda s: s.dead_letter(POISON)["headers"].pop("ce_type")),
    ("a dead letter without a reason", "dead_letters", lambda s: s.dead_letter(POISON)["headers"].pop("x-dlq-reason")),
    ("a repaired dead letter that was not replayed", "dead_letters", lambda s: without_record(s, EDITED)),
    ("a repaired dead letter that was replayed twice", "dead_letters", lambda s: s.topics.append(s.records(EDITED)[0])),
    ("a repaired dead letter that was skipped", "dead_letters", lambda s: renamed(s, EDITED, "skipped")),
    (
        "a repaired dead letter that became a dead letter again",
        "dead_letters",
        lambda s: renamed(s, EDITED, "dead_letter"),
    ),
    (
        "a repaired dead letter with another body",
        "dead_letters",
        lambda s: s.records(EDITED)[0].update(value={"other": 1}),
    ),
    ("a dead letter that was replayed unrepaired", "dead_letters", replayed_unrepaired),
    ("an offset past unfinished work", "early_commit", committed_early),
    ("a process that grows", "memory_growth", grown),
    ("no cancellation", "insufficient_load", lambda s: s.history.pop(-2)),
    ("no offsets", "insufficient_load", lambda s: s.offsets.clear()),
    ("fewer orders than required", "insufficient_load", lambda s: required(s, orders=3)),
    ("a fault that was never injected", "insufficient_load", lambda s: required(s, faults=["stop"])),
    ("a service that was never killed", "insufficient_load", lambda s: required(s, killed=["poller"])),
    ("a process that could not be killed", "insufficient_load", lambda s: planned_faults(s, "missed", "poller-2")),
    ("no faulty webhooks", "insufficient_load", lambda s: (many_webhooks(s), required(s, webhooks={"reorder": 0.1}))),
    ("no link applied", "insufficient_load", lambda s: without_hops(s, "l1")),
]


@pytest.mark.parametrize(("kind", "damage"), [row[1:] for row in PLANTED], ids=[row[0] for row in PLANTED])
def test_what_is_planted_is_found(tmp_path: Path, kind: str, damage: Damage) -> None:
    run = clean_run()
    damage(run)
    report = run.check(tmp_path)
    assert report.counts[kind] >= 1, report.failures
    assert report.verdict == "fail"
    assert any(text.startswith(f"{kind}: ") for text in report.failures)


def test_meeting_the_requirements_passes(tmp_path: Path) -> None:
    run = clean_run()
    required(run, orders=2, faults=["kill", "stop"], killed=["poller"], webhooks={"drop": 0.1, "delay": 0.01})
    planned_faults(run, "kill", "poller-2")
    planned_faults(run, "stop", "poller")
    many_webhooks(run, "drop", "drop", "drop", "drop")
    assert run.check(tmp_path).failures == []


@pytest.mark.parametrize(("kills", "is_enough"), [(4, False), (5, True)])
def test_ten_minutes_need_five_kills_of_each_service(tmp_path: Path, kills: int, is_enough: bool) -> None:
    run = clean_run()
    run.minutes = 10
    required(run, killed=["poller"])
    for number in range(kills):
        planned_faults(run, "kill", f"poller-{number}" if number else "poller")
    assert (run.check(tmp_path).counts["insufficient_load"] == 0) is is_enough


def test_ten_minutes_need_a_process_long_enough_to_judge_its_memory(tmp_path: Path) -> None:
    run = clean_run()
    run.minutes = 10
    for number, row in enumerate(run.memory):
        row["pid"] = number // 10
    assert "no process of poller ran long enough" in " ".join(run.check(tmp_path).failures)


def test_an_empty_run_fails(tmp_path: Path) -> None:
    report = SyntheticRun().check(tmp_path)
    assert report.counts["insufficient_load"] > 10
    assert report.verdict == "fail"


def test_a_parked_record_with_a_reason_is_not_lost(tmp_path: Path) -> None:
    run = clean_run()
    renamed(run, "f32", "parked")
    run.hops("f32")[0]["value"]["detail"] = "on hold"
    run.parked.append({"service": "shopify_writer", "key": f"main|{PAID}", "reason": ""})
    report = run.check(tmp_path)
    assert report.counts["lost"] == 0
    assert report.parked == [f"shopify_writer main|{PAID}: on hold"]


def test_a_parked_record_needs_a_reason_in_its_hop(tmp_path: Path) -> None:
    run = clean_run()
    renamed(run, "f32", "parked")
    run.parked.append({"service": "shopify_writer", "key": f"main|{PAID}", "reason": "on hold"})
    assert run.check(tmp_path).counts["lost"] == 1


def test_a_parked_state_may_be_superseded_by_the_next(tmp_path: Path) -> None:
    run = clean_run()
    renamed(run, "c1", "parked")
    assert run.check(tmp_path).counts["lost"] == 0


def test_an_idempotent_redelivery_is_no_violation(tmp_path: Path) -> None:
    """After a crash before the commit, the same record is read again and found to be a duplicate."""
    run = clean_run()
    run.add_hop("canonical.order", "c2", PAID, "duplicate", 70)
    run.add_record("raw.heartland.fulfilment", "i31", PAID, 71, {"invoice": {"id": 31}})
    run.add_hop("raw.heartland.fulfilment", "i31", PAID, "published", 72)
    assert run.check(tmp_path).verdict == "pass"


def test_a_rejected_shipment_is_no_duplicate(tmp_path: Path) -> None:
    run = clean_run()
    refused = {"data": {"fulfillmentCreate": {"fulfillment": None, "userErrors": [{"message": "nothing left"}]}}}
    run.write("fulfillmentCreate", "/graphql.json", shipment(f"1Z{PAID}-2", "82"), refused)
    assert run.check(tmp_path).verdict == "pass"
    run.write("fulfillmentCreate", "/graphql.json", shipment(f"1Z{PAID}-2", "82"), MADE)
    assert run.check(tmp_path).duplicated == 1


def test_a_deleted_line_may_be_added_again(tmp_path: Path) -> None:
    run = clean_run()
    added = next(row for row in run.journal if row["operation"] == "POST sales/orders/#/lines")
    run.write("DELETE sales/orders/#/lines/#", "/api/sales/orders/41/lines/61", {})
    run.journal.append({**added, "number": 98})
    assert run.check(tmp_path).verdict == "pass"


def test_an_open_review_counts_as_disagreeing_and_is_named(tmp_path: Path) -> None:
    run = clean_run()
    changed(run, "order", "total", value=30)
    run.add_hop("canonical.order", "c2", PAID, "review", 90, detail="does not add up")
    report = run.check(tmp_path)
    assert report.disagreeing == 1
    assert report.failures[0].endswith("; open review: does not add up")
    assert report.awaiting_review == [f"order {PAID}"]


def test_a_review_followed_by_a_write_is_closed(tmp_path: Path) -> None:
    run = clean_run()
    run.add_hop("canonical.order", "c2", PAID, "review", 11)
    report = run.check(tmp_path)
    assert (report.awaiting_review, report.verdict) == ([], "pass")


def test_a_replay_in_a_run_without_repairs_is_a_violation(tmp_path: Path) -> None:
    run = clean_run()
    run.settings["repairs_dead_letters"] = False
    assert "although it was not to be repaired" in " ".join(run.check(tmp_path).failures)
    without_hops(run, EDITED)
    without_record(run, EDITED)
    assert run.check(tmp_path).verdict == "pass"


def test_a_requested_rewrite_is_no_echo(tmp_path: Path) -> None:
    run = clean_run()
    echoed(run)
    assert run.check(tmp_path).counts["echoed"] == 1
    for row in run.topics:
        if row["topic"] == "canonical.order":
            row["headers"]["x-cause"] = "drift"
    assert run.check(tmp_path).counts["echoed"] == 0


def test_a_hop_within_the_tolerance_of_its_commit_is_no_violation(tmp_path: Path) -> None:
    run = clean_run()
    committed_early(run)
    hop = run.hops("c2")[0]
    hop["timestamp"] = round((START + 5.5) * 1000)
    for record in run.records("c2"):
        record["timestamp"] = round((START + 4) * 1000)
    assert run.check(tmp_path).counts["early_commit"] == 0


def test_the_checker_shares_no_code_with_the_product() -> None:
    program = (
        "import sys, tests.prove.check.__main__\n"
        "others = ('services', 'shared', 'deploy', 'tests.prove.generate')\n"
        "ours = [name for name in sys.modules if name.startswith(others)]\n"
        "sys.exit(', '.join(ours) or 0)\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)
