"""The checker passes a clean run, and finds each kind of violation that is planted in it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.prove.check.story import CANCELLED, EDITED, MADE, PAID, POISON, START, Story, at, clean, shipment

ROOT = Path(__file__).parents[4]
Damage = Callable[[Story], object]


def test_a_clean_run_passes(tmp_path: Path) -> None:
    report = clean().check(tmp_path)
    assert report.complaints == []
    assert report.verdict == "pass"
    assert (report.dlq_expected, report.dlq_actual) == (1, 1)
    assert report.seen["orders"] == 2
    assert report.seen["shipments"] == 2


def without_record(story: Story, name: str) -> None:
    story.topics.remove(story.records(name)[0])


def without_hops(story: Story, name: str) -> None:
    for hop in story.hops(name):
        story.topics.remove(hop)


def renamed(story: Story, name: str, outcome: str) -> None:
    story.hops(name)[0]["value"]["outcome"] = outcome


def repeated(story: Story, operation: str) -> None:
    row = next(row for row in story.journal if row["operation"] == operation)
    story.journal.append({**row, "number": 99})


def told_of_an_earlier_change(story: Story) -> None:
    story.write("PUT sales/orders/#", "/api/sales/orders/41", {"custom@note": "seq 2"})


def shipped_first_last(story: Story) -> None:
    rows = [row for row in story.journal if row["operation"] == "fulfillmentCreate"]
    rows[0]["body"], rows[1]["body"] = rows[1]["body"], rows[0]["body"]


def went_back_a_version(story: Story) -> None:
    story.hops("c2")[0]["value"]["source_time"] = at(-5)


def echoed(story: Story) -> None:
    for number in range(5):
        story.travel("canonical.order", f"e{number}", PAID, "applied", 60 + number, lineage=[], content_hash="same")


def changed(story: Story, *path: str | int, value: object) -> None:
    place = story.heartland(PAID)
    for name in path[:-1]:
        place = place[name]  # type: ignore[index]
    place[path[-1]] = value  # type: ignore[index]


def committed_early(story: Story) -> None:
    """Before the record that is done at 12.1 seconds."""
    row = {"group": "heartland_writer", "topic": "canonical.order", "partition": 0, "offset": 2}
    story.offsets.append({"at": at(5), "why": "kill heartland-writer", **row})


def buried_besides(story: Story) -> None:
    letter = story.letter(POISON)
    story.topics.append({**letter, "headers": letter["headers"] | {"ce_id": "c1"}})


def sent_again(story: Story) -> None:
    again = {"x-replay-id": "r1", "x-edited-from": POISON}
    story.travel("canonical.fulfilment", "poison-2", POISON, "applied", 90)
    story.records("poison-2")[0]["headers"] |= again


def asked(story: Story, **what: object) -> None:
    story.settings["asked"] = what


def struck(story: Story, kind: str, target: str) -> None:
    times = {"at": at(90), "began": at(89), "healed": at(89)}
    story.history.append({"kind": "strike", "strike": kind, "target": target, "details": {}, **times})


def many_webhooks(story: Story, *faults: str) -> None:
    """A hundred, hurt as is said and otherwise not."""
    for number in range(100 - len(story.deliveries)):
        fault = faults[number] if number < len(faults) else ""
        told = {"webhook_id": f"m{number}", "topic": "orders/updated", "resource": "#1"}
        story.deliveries.append({**told, "outcome": "failed", "fault": fault})


def grown(story: Story) -> None:
    for number, row in enumerate(story.memory):
        row["rss"] = 50_000_000 + 3_000_000 * number


PLANTED: list[tuple[str, str, Damage]] = [
    ("an acknowledged webhook on no topic", "lost", lambda s: without_record(s, "w1")),
    ("an invoice on no topic", "lost", lambda s: without_record(s, "i32")),
    ("a notice that nobody was done with", "lost", lambda s: without_hops(s, "w2")),
    ("an order that was only tried", "lost", lambda s: renamed(s, "c2", "retrying")),
    ("a shipment parked for no reason that is known", "lost", lambda s: renamed(s, "f31", "parked")),
    ("published, but nowhere", "lost", lambda s: without_record(s, "c1")),
    ("superseded by nothing", "lost", lambda s: renamed(s, "c3", "superseded")),
    ("an event that came again and was not looked at", "lost", lambda s: s.put("raw.shopify.order", "w1", PAID, 60)),
    ("two orders for one", "duplicated", lambda s: repeated(s, "POST sales/orders")),
    ("one payment booked twice", "duplicated", lambda s: repeated(s, "POST sales/orders/#/payments")),
    ("one buyer twice", "duplicated", lambda s: repeated(s, "POST customers")),
    ("one line twice", "duplicated", lambda s: repeated(s, "POST sales/orders/#/lines")),
    ("one shipment twice", "duplicated", lambda s: repeated(s, "fulfillmentCreate")),
    ("an earlier change after a later one", "reordered", told_of_an_earlier_change),
    ("the second shipment before the first", "reordered", shipped_first_last),
    ("an older version applied last", "reordered", went_back_a_version),
    ("the same state over and over", "echoed", echoed),
    ("a cent too much", "disagreeing", lambda s: changed(s, "order", "total", value=33.51)),
    ("a tax that is not there", "disagreeing", lambda s: changed(s, "taxes", value=[])),
    ("a line with a unit more", "disagreeing", lambda s: changed(s, "lines", 0, "qty", value=3)),
    ("a payment less", "disagreeing", lambda s: s.heartland(PAID)["payments"].pop()),
    ("an order that is still open", "disagreeing", lambda s: changed(s, "order", "status", value="open")),
    ("a state of yesterday", "disagreeing", lambda s: changed(s, "order", "custom", "note", value="seq 2")),
    ("not cancelled", "disagreeing", lambda s: s.heartland(CANCELLED)["order"].update(status="open")),
    ("an order that never arrived", "disagreeing", lambda s: s.books[0].update(heartland=None)),
    ("Shopify does not know its order", "disagreeing", lambda s: s.shopify(PAID)["metafields"].clear()),
    ("a shipment that Shopify never saw", "disagreeing", lambda s: s.shopify(PAID)["fulfillments"].pop()),
    ("no letter of a poisoned record", "dead_letters", lambda s: s.topics.remove(s.letter(POISON))),
    ("a letter of a good record", "dead_letters", buried_besides),
    ("a letter with another body", "dead_letters", lambda s: s.letter(POISON).update(value={"other": 1})),
    ("a letter that lost a header", "dead_letters", lambda s: s.letter(POISON)["headers"].pop("ce_type")),
    ("a letter without a reason", "dead_letters", lambda s: s.letter(POISON)["headers"].pop("x-dlq-reason")),
    ("a repaired letter that nobody sent again", "dead_letters", lambda s: without_record(s, EDITED)),
    ("a repaired letter that was sent twice", "dead_letters", lambda s: s.topics.append(s.records(EDITED)[0])),
    ("a repaired letter that changed nothing", "dead_letters", lambda s: renamed(s, EDITED, "skipped")),
    ("a repaired letter that was buried again", "dead_letters", lambda s: renamed(s, EDITED, "dead_letter")),
    ("a repaired letter with another body", "dead_letters", lambda s: s.records(EDITED)[0].update(value={"other": 1})),
    ("a letter that was sent again as it was", "dead_letters", sent_again),
    ("an offset ahead of the work", "passed", committed_early),
    ("a process that grows", "grown", grown),
    ("no cancellation", "thin", lambda s: s.history.pop(-2)),
    ("no offsets", "thin", lambda s: s.offsets.clear()),
    ("fewer orders than were asked for", "thin", lambda s: asked(s, orders=3)),
    ("a fault that never struck", "thin", lambda s: asked(s, faults=["stop"])),
    ("a service that was never killed", "thin", lambda s: asked(s, killed=["poller"])),
    ("a process that could not be killed", "thin", lambda s: struck(s, "missed", "poller-2")),
    ("webhooks that nobody hurt", "thin", lambda s: (many_webhooks(s), asked(s, webhooks={"reorder": 0.1}))),
    ("nobody applied a link", "thin", lambda s: without_hops(s, "l1")),
]


@pytest.mark.parametrize(("kind", "damage"), [row[1:] for row in PLANTED], ids=[row[0] for row in PLANTED])
def test_what_is_planted_is_found(tmp_path: Path, kind: str, damage: Damage) -> None:
    story = clean()
    damage(story)
    report = story.check(tmp_path)
    assert report.counts[kind] >= 1, report.complaints
    assert report.verdict == "fail"
    assert any(text.startswith(f"{kind}: ") for text in report.complaints)


def test_as_much_as_was_asked_for_is_enough(tmp_path: Path) -> None:
    story = clean()
    asked(story, orders=2, faults=["kill", "stop"], killed=["poller"], webhooks={"drop": 0.1, "delay": 0.01})
    struck(story, "kill", "poller-2")
    struck(story, "stop", "poller")
    many_webhooks(story, "drop", "drop", "drop", "drop")
    assert story.check(tmp_path).complaints == []


@pytest.mark.parametrize(("kills", "is_enough"), [(4, False), (5, True)])
def test_ten_minutes_have_five_kills_of_each_service(tmp_path: Path, kills: int, is_enough: bool) -> None:
    story = clean()
    story.minutes = 10
    asked(story, killed=["poller"])
    for number in range(kills):
        struck(story, "kill", f"poller-{number}" if number else "poller")
    assert (story.check(tmp_path).counts["thin"] == 0) is is_enough


def test_ten_minutes_have_a_life_that_shows_whether_a_service_grows(tmp_path: Path) -> None:
    story = clean()
    story.minutes = 10
    for number, row in enumerate(story.memory):
        row["pid"] = number // 10
    assert "no process of poller lived long enough" in " ".join(story.check(tmp_path).complaints)


def test_an_empty_run_proves_nothing(tmp_path: Path) -> None:
    report = Story().check(tmp_path)
    assert report.counts["thin"] > 10
    assert report.verdict == "fail"


def test_a_parked_record_with_a_reason_has_ended(tmp_path: Path) -> None:
    story = clean()
    renamed(story, "f32", "parked")
    story.hops("f32")[0]["value"]["detail"] = "on hold"
    story.parked.append({"service": "shopify_writer", "key": f"main|{PAID}", "reason": ""})
    report = story.check(tmp_path)
    assert report.counts["lost"] == 0
    assert report.parked == [f"shopify_writer main|{PAID}: on hold"]


def test_the_table_alone_is_no_reason_to_be_parked(tmp_path: Path) -> None:
    story = clean()
    renamed(story, "f32", "parked")
    story.parked.append({"service": "shopify_writer", "key": f"main|{PAID}", "reason": "on hold"})
    assert story.check(tmp_path).counts["lost"] == 1


def test_a_state_that_waited_may_be_replaced_by_the_next(tmp_path: Path) -> None:
    story = clean()
    renamed(story, "c1", "parked")
    assert story.check(tmp_path).counts["lost"] == 0


def test_work_done_twice_without_harm_is_no_violation(tmp_path: Path) -> None:
    """A crash before the commit: the same record is looked at again, and found to be done."""
    story = clean()
    story.say("canonical.order", "c2", PAID, "duplicate", 70)
    story.put("raw.heartland.fulfilment", "i31", PAID, 71, {"invoice": {"id": 31}})
    story.say("raw.heartland.fulfilment", "i31", PAID, "published", 72)
    assert story.check(tmp_path).verdict == "pass"


def test_a_refused_shipment_is_no_second_one(tmp_path: Path) -> None:
    story = clean()
    refused = {"data": {"fulfillmentCreate": {"fulfillment": None, "userErrors": [{"message": "nothing left"}]}}}
    story.write("fulfillmentCreate", "/graphql.json", shipment(f"1Z{PAID}-2", "82"), refused)
    assert story.check(tmp_path).verdict == "pass"
    story.write("fulfillmentCreate", "/graphql.json", shipment(f"1Z{PAID}-2", "82"), MADE)
    assert story.check(tmp_path).duplicated == 1


def test_a_line_that_was_taken_off_may_come_again(tmp_path: Path) -> None:
    story = clean()
    added = next(row for row in story.journal if row["operation"] == "POST sales/orders/#/lines")
    story.write("DELETE sales/orders/#/lines/#", "/api/sales/orders/41/lines/61", {})
    story.journal.append({**added, "number": 98})
    assert story.check(tmp_path).verdict == "pass"


def test_what_is_left_to_a_person_still_disagrees_and_is_named(tmp_path: Path) -> None:
    story = clean()
    changed(story, "order", "total", value=30)
    story.say("canonical.order", "c2", PAID, "review", 90, detail="does not add up")
    report = story.check(tmp_path)
    assert report.disagreeing == 1
    assert report.complaints[0].endswith("; a person was asked: does not add up")
    assert report.waiting_for_a_person == [f"order {PAID}"]


def test_a_review_that_was_followed_by_the_writing_waits_for_nobody(tmp_path: Path) -> None:
    story = clean()
    story.say("canonical.order", "c2", PAID, "review", 11)
    report = story.check(tmp_path)
    assert (report.waiting_for_a_person, report.verdict) == ([], "pass")


def test_in_a_run_that_repairs_nothing_nothing_is_sent_again(tmp_path: Path) -> None:
    story = clean()
    story.settings["mends"] = False
    assert "which nobody could repair" in " ".join(story.check(tmp_path).complaints)
    without_hops(story, EDITED)
    without_record(story, EDITED)
    assert story.check(tmp_path).verdict == "pass"


def test_what_somebody_asked_to_be_written_again_is_no_echo(tmp_path: Path) -> None:
    story = clean()
    echoed(story)
    assert story.check(tmp_path).counts["echoed"] == 1
    for row in story.topics:
        if row["topic"] == "canonical.order":
            row["headers"]["x-cause"] = "drift"
    assert story.check(tmp_path).counts["echoed"] == 0


def test_a_hop_within_the_tolerance_of_its_commit_is_no_violation(tmp_path: Path) -> None:
    story = clean()
    committed_early(story)
    hop = story.hops("c2")[0]
    hop["timestamp"] = round((START + 5.5) * 1000)
    for record in story.records("c2"):
        record["timestamp"] = round((START + 4) * 1000)
    assert story.check(tmp_path).counts["passed"] == 0


def test_the_checker_shares_no_code_with_what_it_checks() -> None:
    program = (
        "import sys, tests.prove.check.__main__\n"
        "others = ('services', 'shared', 'deploy', 'tests.prove.generate')\n"
        "ours = [name for name in sys.modules if name.startswith(others)]\n"
        "sys.exit(', '.join(ours) or 0)\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)
