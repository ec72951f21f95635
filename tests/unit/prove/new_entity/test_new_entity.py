"""An entity joins the proof with its own files: only the two modules of this folder know `stock`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from shared.entities.table import ENTITIES as TABLE
from tests.prove.check.entities import ENTITIES
from tests.prove.check.entity import stages_of
from tests.prove.check.topic_data import FINAL_OUTCOMES, read_topic_data
from tests.prove.collect import processing_times, read_final_state
from tests.prove.generate import poison
from tests.prove.generate.entities import GENERATORS
from tests.prove.generate.load import Load
from tests.prove.generate.plan import PlannedChange
from tests.prove.history import InjectedFault, Mutation
from tests.prove.recovery import blast_radius, recovery_times
from tests.prove.run import RunConfig
from tests.unit.prove.check.run_builder import PAID, START, SyntheticRun, at, clean_run
from tests.unit.prove.new_entity.check import stock as checked_stock
from tests.unit.prove.new_entity.generate import stock as generated_stock

Json = dict[str, Any]
Damage = Callable[[SyntheticRun], object]
ALL_GENERATORS = (*GENERATORS, generated_stock.GENERATOR)
ALL_ENTITIES = (*ENTITIES, checked_stock.ENTITY)


class FakeHistory(list[Mutation]):
    """A history in memory."""

    def record_mutation(self, row: Mutation) -> None:
        self.append(row)


class Sandbox:
    """Answers 200 to everything. `calls` are paths and bodies."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, object]] = []

    async def control(self, _: str, path: str, body: object = None) -> tuple[int, Json]:
        self.calls.append((path, body))
        return 200, {"id": 31}

    async def raw(self, *_: object) -> tuple[int, bytes]:
        return 200, b'{"total": 33.50}'


# Registration


def test_what_has_lives_of_its_own_comes_first() -> None:
    assert [one.name for one in GENERATORS] == ["order", "fulfilment"]
    assert [one.name for one in ENTITIES] == ["order", "fulfilment", "link"]
    assert ALL_ENTITIES[-1].name == ALL_GENERATORS[-1].name == "stock"


def test_the_road_is_gone_along_from_its_beginning() -> None:
    topics = [stage.topic.partition(".")[0] for stage in stages_of(ALL_ENTITIES)]

    assert topics == ["raw"] * 3 + ["canonical"] * 4


def test_the_proof_covers_the_topics_of_every_entity_that_travels() -> None:
    travelling = [spec for spec in TABLE if spec.transform]
    topics = {topic.name for spec in travelling for topic in (*(one.topic for one in spec.sources), *spec.canonical)}

    assert {stage.topic for stage in stages_of(ENTITIES)} == topics
    assert [one.name for one in GENERATORS] == [spec.name for spec in travelling]


# The load


def test_its_changes_poison_and_number_are_part_of_the_plan() -> None:
    config = RunConfig(generators=ALL_GENERATORS)

    assert {stage.entity for stage in config.changes} == {"order", "fulfilment", "stock"}
    assert len(config.changes) == len(RunConfig().changes) + 40
    assert config.requirements(())["stock levels"] == 20
    assert config.requirements(())["orders"] == RunConfig().requirements(())["orders"] == 2000
    kinds = poison.plan(7, "main", len(config.poison_kinds), 60.0, config.poison_kinds)
    assert {one.kind.name for one in kinds} == {one.name for one in RunConfig().poison_kinds} | {"no quantity"}


async def test_the_sandbox_gets_what_each_entity_needs_beforehand() -> None:
    sandbox = Sandbox()
    await Load(7, sandbox.control, FakeHistory(), ALL_GENERATORS).prepare()  # type: ignore[arg-type]

    assert sandbox.calls[0] == ("/heartland/behaviour_flags", {"strict_payments": True})
    assert sandbox.calls[-1] == ("/heartland/shelves", {"public_id": "front"})


async def test_lives_of_one_number_are_led_apart() -> None:
    stages = [
        PlannedChange(0.0, 1001, "order", "new", 1, {"how": ""}),
        PlannedChange(0.0, 1001, "stock", "count"),
        PlannedChange(0.0, 1001, "order", "pay", 2, {"how": ""}),
    ]
    history = FakeHistory()
    await Load(7, Sandbox().control, history, ALL_GENERATORS).run(stages)  # type: ignore[arg-type]

    told = {(row.subject, row.action): row.name for row in history}
    assert told == {("order", "new"): "#1001", ("order", "pay"): "#1001", ("stock", "count"): "MUG-1001"}


async def test_what_its_poison_was_made_of_is_placed_by_its_own_generator() -> None:
    history = FakeHistory()
    load = Load(7, Sandbox().control, history, ALL_GENERATORS)  # type: ignore[arg-type]
    await load.create_unannounced("stock", {"sku": "MUG-1", "qty": 3})

    assert [(row.subject, row.order, row.action) for row in history] == [("stock", "MUG-1", "new")]


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
    read = [
        orjson.loads(orjson.dumps(row))
        for row in await read_final_state(rows, sandbox.control, sandbox.raw, ALL_GENERATORS)
    ]

    assert [(row["subject"], row["order"], row["name"]) for row in read] == [
        ("order", "5001", "#5001"),
        ("stock", "M", "#M"),
    ]
    assert read[0]["heartland"] == {"total": 33.5}
    assert read[1]["shopify"] == {"id": 31}


# The checker


def stocked() -> SyntheticRun:
    """A clean run in which an article was counted, once and then again."""
    run = clean_run()
    run.entities = ALL_ENTITIES
    for number, (qty, seconds) in enumerate(((5, 60), (4, 70)), 1):
        run.change("MUG", "count", 0, {"sku": "MUG", "qty": qty}, {"id": number}, "stock")
        run.history[-1] |= {"subject": "stock", "name": "MUG"}
        run.process("raw.heartland.stock", f"n{number}", "MUG", "published", seconds, count=number)
        value = {"lineage": [f"n{number}"], "content_hash": str(qty)}
        run.process("canonical.stock", f"s{number}", "MUG", "applied", seconds + 1, **value)
        run.write("inventorySetQuantities", "/graphql.json", {"reference": f"count/{number}"}, {})
    run.final_state.append({"subject": "stock", "order": "MUG", "name": "MUG", "shopify": {"available": 4}})
    for group, topic in (("transformer-stock", "raw.heartland.stock"), ("shopify_writer", "canonical.stock")):
        row = {"at": at(100), "why": "end", "group": group, "topic": topic, "partition": 0, "offset": 2}
        run.offsets.append(row)
    return run


def test_a_clean_run_passes_and_counts_it(tmp_path: Path) -> None:
    report = stocked().check(tmp_path)

    assert report.failures == []
    assert (report.checked["orders"], report.checked["stock levels"], report.checked["counts"]) == (2, 1, 2)


def without(run: SyntheticRun, name: str) -> None:
    run.topics.remove(run.records(name)[0])


def silent(run: SyntheticRun, name: str) -> list[Json]:
    hops = run.hops(name)
    run.topics[:] = [row for row in run.topics if row not in hops]
    return hops


def over_and_over(run: SyntheticRun) -> None:
    for number in range(5):
        run.process("canonical.stock", f"e{number}", "MUG", "applied", 80 + number, content_hash="4")


def ahead(run: SyntheticRun) -> None:
    run.offsets.insert(0, {**run.offsets[-1], "at": at(50), "why": "kill shopify-writer"})


PLANTED: list[tuple[str, str, str, Damage]] = [
    ("a count on no topic", "lost", "count 2 is on no topic", lambda s: without(s, "n2")),
    ("an unfinished record", "lost", "transformers never finished n1", lambda s: silent(s, "n1")),
    ("published without an output record", "lost", "canonical.stock has no record of it", lambda s: without(s, "s1")),
    ("a count written twice", "duplicated", "count count/2 was", lambda s: s.journal.append({**s.journal[-1]})),
    (
        "an older state after a newer one", "reordered", "main|MUG was applied after",
        lambda s: s.hops("s2")[0]["value"].update(source_time=at(-5)),
    ),
    ("an unchanged state written again", "echoed", "5 unchanged states of stock levels", over_and_over),
    (
        "one too many", "disagreeing", "stock MUG (MUG): 5 instead of 4",
        lambda s: s.final_state[-1]["shopify"].update(available=5),
    ),
    ("an offset past unfinished work", "early_commit", "past unfinished s1 of main|MUG", ahead),
    (
        "no count", "insufficient_load", "no stock count happened",
        lambda s: [row.update(status=409) for row in s.history[-2:]],
    ),
    (
        "no record finished", "insufficient_load", "finished no record of canonical.stock",
        lambda s: [silent(s, name) for name in ("s1", "s2")],
    ),
    (
        "no offsets sampled", "insufficient_load", "no committed offsets of transformer-stock",
        lambda s: s.offsets.pop(-2),
    ),
    (
        "fewer than required", "insufficient_load", "1 stock levels were created instead of 2",
        lambda s: s.settings.update(required={"stock levels": 2}),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "damage"), [row[1:] for row in PLANTED], ids=[row[0] for row in PLANTED])
def test_what_is_planted_in_it_is_found(tmp_path: Path, kind: str, text: str, damage: Damage) -> None:
    run = stocked()
    damage(run)
    report = run.check(tmp_path)

    assert any(one.kind == kind and text in one.text for one in report.violations), report.failures


def test_what_waits_for_a_person_is_named_as_it_is(tmp_path: Path) -> None:
    run = stocked()
    run.add_hop("canonical.stock", "s2", "MUG", "review", 90, detail="a negative count")

    assert stocked().check(tmp_path).awaiting_review == []
    assert run.check(tmp_path).awaiting_review == ["stock MUG"]


def test_it_is_none_of_the_others_business(tmp_path: Path) -> None:
    """One number may be an order's and an article's."""
    run = stocked()
    for row in run.history[-2:]:
        row["order"] = PAID
    run.final_state[-1]["order"] = PAID

    assert run.check(tmp_path).failures == []


# Recovery


def fault_row(target: str, seconds: float) -> InjectedFault:
    return InjectedFault(at(seconds), "kill", target, at(seconds), at(seconds))


def test_a_fault_before_it_is_felt(tmp_path: Path) -> None:
    stocked().check(tmp_path)
    done = processing_times(read_topic_data(tmp_path / "topics.jsonl", ()), FINAL_OUTCOMES, ALL_ENTITIES)
    faults = [fault_row("transformer-stock-2", 60.05), fault_row("poller", 55)]
    spans = recovery_times(faults, done, START + 100, ALL_ENTITIES)["kill"]

    assert [round(span, 2) for span in spans] == [0.05, 5.0]
    assert "kill" not in recovery_times(
        faults[:1], processing_times(read_topic_data(tmp_path / "topics.jsonl", ()), FINAL_OUTCOMES), START + 100
    )


def test_what_everything_depends_on_reaches_it_too() -> None:
    blast = blast_radius(ALL_ENTITIES)

    assert {"transformer-stock", "raw.heartland.stock"} <= blast.of("broker")
    assert blast.of("poller") == {"raw.heartland.fulfilment", "raw.heartland.stock"}
    assert blast.of("heartland") == {"heartland_writer", "transformer-fulfilment", "transformer-stock"}
    assert blast.of("shopify-writer-2") == {"shopify_writer"}
