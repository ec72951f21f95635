from __future__ import annotations

from pathlib import Path

from tests.prove.evidence import FILES, Evidence
from tests.prove.history import History, Mutation, Struck, read_mutations, read_strikes

ROW = Mutation(1, "2026-11-25T12:00:00+00:00", "order", "5001", "#1001", "new", 1, {}, 200, {"id": 5001}, ["w1"])
STRIKE = Struck(
    "2026-11-25T12:00:02+00:00", "kill", "poller-2", "2026-11-25T12:00:01+00:00", "2026-11-25T12:00:01+00:00"
)


def test_what_was_noted_is_read_again(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    history.mutated(ROW)
    history.struck(STRIKE)
    history.close()

    assert list(read_mutations(tmp_path / "history.jsonl")) == [ROW]
    assert list(read_strikes(tmp_path / "history.jsonl")) == [STRIKE]
    assert ROW.happened


def test_evidence_can_be_moved_and_is_found_by_its_folder(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    Evidence.within(tmp_path / "old", seed=7, kills={"poller": 5}).save(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    loaded = Evidence.load(tmp_path / "new")

    assert (loaded.seed, loaded.kills) == (7, {"poller": 5})
    assert [getattr(loaded, name) for name in FILES] == [tmp_path / "new" / f"{name}.jsonl" for name in FILES]
