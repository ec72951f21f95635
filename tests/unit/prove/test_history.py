from __future__ import annotations

from pathlib import Path

from tests.prove.evidence import FILES, Evidence
from tests.prove.history import History, InjectedFault, Mutation, read_faults, read_mutations

ROW = Mutation(1, "2026-11-25T12:00:00+00:00", "order", "5001", "#1001", "new", 1, {}, 200, {"id": 5001}, ["w1"])
FAULT = InjectedFault(
    "2026-11-25T12:00:02+00:00", "kill", "poller-2", "2026-11-25T12:00:01+00:00", "2026-11-25T12:00:01+00:00"
)


def test_recorded_rows_are_read_back(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    history.record_mutation(ROW)
    history.record_fault(FAULT)
    history.close()

    assert list(read_mutations(tmp_path / "history.jsonl")) == [ROW]
    assert list(read_faults(tmp_path / "history.jsonl")) == [FAULT]
    assert ROW.happened


def test_an_evidence_folder_can_be_moved(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    Evidence.within(tmp_path / "old", seed=7, kills={"poller": 5}).save(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    loaded = Evidence.load(tmp_path / "new")

    assert (loaded.seed, loaded.kills) == (7, {"poller": 5})
    assert [getattr(loaded, name) for name in FILES] == [tmp_path / "new" / f"{name}.jsonl" for name in FILES]
