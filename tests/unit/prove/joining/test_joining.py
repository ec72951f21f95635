"""An entity joins the proof by its own files: `stock` is known to nothing but the two of this folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from shared.entities.table import ENTITIES as TABLE
from tests.prove.check.entities import ENTITIES
from tests.prove.check.entity import steps_of
from tests.prove.check.road import ENDS, read_road
from tests.prove.collect import books, work
from tests.prove.generate import poison
from tests.prove.generate.entities import GENERATORS
from tests.prove.generate.load import Load
from tests.prove.generate.plan import Planned
from tests.prove.history import Mutation, Struck
from tests.prove.resumes import reach, resumes
from tests.prove.run import Plan
from tests.unit.prove.check.story import PAID, START, Story, at, clean
from tests.unit.prove.joining.check import stock as checked_stock
from tests.unit.prove.joining.generate import stock as generated_stock

Json = dict[str, Any]
Damage = Callable[[Story], object]
ALL_GENERATORS = (*GENERATORS, generated_stock.GENERATOR)
ALL_ENTITIES = (*ENTITIES, checked_stock.ENTITY)


class Pages(list[Mutation]):
    """A history in memory."""

    def mutated(self, row: Mutation) -> None:
        self.append(row)


class Sandbox:
    """Says yes to everything. `asked` are paths and bodies."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, object]] = []

    async def control(self, _: str, path: str, body: object = None) -> tuple[int, Json]:
        self.asked.append((path, body))
        return 200, {"id": 31}

    async def raw(self, *_: object) -> tuple[int, bytes]:
        return 200, b'{"total": 33.50}'


# Found


def test_what_has_lives_of_its_own_comes_first() -> None:
    assert [one.name for one in GENERATORS] == ["order", "fulfilment"]
    assert [one.name for one in ENTITIES] == ["order", "fulfilment", "link"]
    assert ALL_ENTITIES[-1].name == ALL_GENERATORS[-1].name == "stock"


def test_the_road_is_gone_along_from_its_beginning() -> None:
    topics = [step.topic.partition(".")[0] for step in steps_of(ALL_ENTITIES)]

    assert topics == ["raw"] * 3 + ["canonical"] * 4


def test_the_proof_covers_the_topics_of_every_entity_that_travels() -> None:
    travelling = [spec for spec in TABLE if spec.transform]
    topics = {topic.name for spec in travelling for topic in (*(one.topic for one in spec.sources), *spec.canonical)}

    assert {step.topic for step in steps_of(ENTITIES)} == topics
    assert [one.name for one in GENERATORS] == [spec.name for spec in travelling]


# The load


def test_its_changes_poison_and_number_are_part_of_the_plan() -> None:
    plan = Plan(generators=ALL_GENERATORS)

    assert {step.entity for step in plan.steps} == {"order", "fulfilment", "stock"}
    assert len(plan.steps) == len(Plan().steps) + 40
    assert plan.asked(())["stock levels"] == 20
    assert plan.asked(())["orders"] == Plan().asked(())["orders"] == 2000
    kinds = poison.plan(7, "main", len(plan.kinds), 60.0, plan.kinds)
    assert {one.kind.name for one in kinds} == {one.name for one in Plan().kinds} | {"no quantity"}


async def test_the_sandbox_gets_what_each_entity_needs_beforehand() -> None:
    sandbox = Sandbox()
    await Load(7, sandbox.control, Pages(), ALL_GENERATORS).stock()  # type: ignore[arg-type]

    assert sandbox.asked[0] == ("/heartland/switches", {"strict_payments": True})
    assert sandbox.asked[-1] == ("/heartland/shelves", {"public_id": "front"})


async def test_lives_of_one_number_are_led_apart() -> None:
    steps = [
        Planned(0.0, 1001, "order", "new", 1, {"how": ""}),
        Planned(0.0, 1001, "stock", "count"),
        Planned(0.0, 1001, "order", "pay", 2, {"how": ""}),
    ]
    pages = Pages()
    await Load(7, Sandbox().control, pages, ALL_GENERATORS).run(steps)  # type: ignore[arg-type]

    told = {(row.subject, row.action): row.name for row in pages}
    assert told == {("order", "new"): "#1001", ("order", "pay"): "#1001", ("stock", "count"): "MUG-1001"}


async def test_what_its_poison_was_made_of_is_placed_by_its_own_generator() -> None:
    pages = Pages()
    load = Load(7, Sandbox().control, pages, ALL_GENERATORS)  # type: ignore[arg-type]
    await load.place("stock", {"sku": "MUG-1", "qty": 3})

    assert [(row.subject, row.order, row.action) for row in pages] == [("stock", "MUG-1", "new")]


async def test_each_subject_has_its_own_kind_of_row_in_the_books() -> None:
    rows = [
        Mutation(n, at(n), entity, name, f"#{name}", action, 0, {}, 200, {}, subject=subject)
        for n, (entity, subject, name, action) in enumerate(
            [
                ("order", "order", "5001", "new"),
                ("fulfilment", "order", "5001", "ship"),
                ("stock", "stock", "M", "count"),
            ]
        )
    ]
    sandbox = Sandbox()
    read = [orjson.loads(orjson.dumps(row)) for row in await books(rows, sandbox.control, sandbox.raw, ALL_GENERATORS)]

    assert [(row["subject"], row["order"], row["name"]) for row in read] == [
        ("order", "5001", "#5001"),
        ("stock", "M", "#M"),
    ]
    assert read[0]["heartland"] == {"total": 33.5}
    assert read[1]["shopify"] == {"id": 31}


# The checker


def stocked() -> Story:
    """A clean run in which an article was counted, once and then again."""
    story = clean()
    story.entities = ALL_ENTITIES
    for number, (qty, seconds) in enumerate(((5, 60), (4, 70)), 1):
        story.mutate("MUG", "count", 0, {"sku": "MUG", "qty": qty}, {"id": number}, "stock")
        story.history[-1] |= {"subject": "stock", "name": "MUG"}
        story.travel("raw.heartland.stock", f"n{number}", "MUG", "published", seconds, count=number)
        value = {"lineage": [f"n{number}"], "content_hash": str(qty)}
        story.travel("canonical.stock", f"s{number}", "MUG", "applied", seconds + 1, **value)
        story.write("inventorySetQuantities", "/graphql.json", {"reference": f"count/{number}"}, {})
    story.books.append({"subject": "stock", "order": "MUG", "name": "MUG", "shopify": {"available": 4}})
    for group, topic in (("transformer-stock", "raw.heartland.stock"), ("shopify_writer", "canonical.stock")):
        row = {"at": at(100), "why": "end", "group": group, "topic": topic, "partition": 0, "offset": 2}
        story.offsets.append(row)
    return story


def test_a_clean_run_passes_and_counts_it(tmp_path: Path) -> None:
    report = stocked().check(tmp_path)

    assert report.complaints == []
    assert (report.seen["orders"], report.seen["stock levels"], report.seen["counts"]) == (2, 1, 2)


def without(story: Story, name: str) -> None:
    story.topics.remove(story.records(name)[0])


def silent(story: Story, name: str) -> list[Json]:
    hops = story.hops(name)
    story.topics[:] = [row for row in story.topics if row not in hops]
    return hops


def over_and_over(story: Story) -> None:
    for number in range(5):
        story.travel("canonical.stock", f"e{number}", "MUG", "applied", 80 + number, content_hash="4")


def ahead(story: Story) -> None:
    story.offsets.insert(0, {**story.offsets[-1], "at": at(50), "why": "kill shopify-writer"})


PLANTED: list[tuple[str, str, str, Damage]] = [
    ("a count on no topic", "lost", "count 2 is on no topic", lambda s: without(s, "n2")),
    ("a notice nobody was done with", "lost", "transformers was never done with n1", lambda s: silent(s, "n1")),
    ("published, but nowhere", "lost", "canonical.stock has nothing of it", lambda s: without(s, "s1")),
    ("a count written twice", "duplicated", "count count/2 was", lambda s: s.journal.append({**s.journal[-1]})),
    (
        "an older state after a newer one", "reordered", "main|MUG was applied after",
        lambda s: s.hops("s2")[0]["value"].update(source_time=at(-5)),
    ),
    ("the same state over and over", "echoed", "5 stock levels' states", over_and_over),
    (
        "one too many", "disagreeing", "stock MUG (MUG): 5 instead of 4",
        lambda s: s.books[-1]["shopify"].update(available=5),
    ),
    ("an offset ahead of the work", "passed", "past s1 of main|MUG", ahead),
    ("nobody counted", "thin", "no count happened", lambda s: [row.update(status=409) for row in s.history[-2:]]),
    (
        "nobody was done with it", "thin", "with nothing on canonical.stock",
        lambda s: [silent(s, name) for name in ("s1", "s2")],
    ),
    ("nobody asked how far it was", "thin", "how far transformer-stock was", lambda s: s.offsets.pop(-2)),
    (
        "fewer than were asked for", "thin", "1 stock levels were placed instead of 2",
        lambda s: s.settings.update(asked={"stock levels": 2}),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "damage"), [row[1:] for row in PLANTED], ids=[row[0] for row in PLANTED])
def test_what_is_planted_in_it_is_found(tmp_path: Path, kind: str, text: str, damage: Damage) -> None:
    story = stocked()
    damage(story)
    report = story.check(tmp_path)

    assert any(one.kind == kind and text in one.text for one in report.violations), report.complaints


def test_what_waits_for_a_person_is_named_as_it_is(tmp_path: Path) -> None:
    story = stocked()
    story.say("canonical.stock", "s2", "MUG", "review", 90, detail="a negative count")

    assert stocked().check(tmp_path).waiting_for_a_person == []
    assert story.check(tmp_path).waiting_for_a_person == ["stock MUG"]


def test_it_is_none_of_the_others_business(tmp_path: Path) -> None:
    """One number may be an order's and an article's."""
    story = stocked()
    for row in story.history[-2:]:
        row["order"] = PAID
    story.books[-1]["order"] = PAID

    assert story.check(tmp_path).complaints == []


# How fast it is back


def struck(target: str, seconds: float) -> Struck:
    return Struck(at(seconds), "kill", target, at(seconds), at(seconds))


def test_a_fault_before_it_is_felt(tmp_path: Path) -> None:
    stocked().check(tmp_path)
    done = work(read_road(tmp_path / "topics.jsonl", ()), ENDS, ALL_ENTITIES)
    strikes = [struck("transformer-stock-2", 60.05), struck("poller", 55)]
    spans = resumes(strikes, done, START + 100, ALL_ENTITIES)["kill"]

    assert [round(span, 2) for span in spans] == [0.05, 5.0]
    assert "kill" not in resumes(strikes[:1], work(read_road(tmp_path / "topics.jsonl", ()), ENDS), START + 100)


def test_what_everything_depends_on_reaches_it_too() -> None:
    reaches = reach(ALL_ENTITIES)

    assert {"transformer-stock", "raw.heartland.stock"} <= reaches.of("broker")
    assert reaches.of("poller") == {"raw.heartland.fulfilment", "raw.heartland.stock"}
    assert reaches.of("heartland") == {"heartland_writer", "transformer-fulfilment", "transformer-stock"}
    assert reaches.of("shopify-writer-2") == {"shopify_writer"}
