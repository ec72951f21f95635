"""File locks between processes."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pytest

from deploy.local import locks
from deploy.local.locks import try_lock


def test_a_lock_is_held_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "run.lock"
    held = try_lock(path)

    assert held is not None
    assert try_lock(path) is None
    held.close()
    again = try_lock(path)
    assert again is not None
    again.close()


def test_a_file_that_was_removed_before_it_was_locked_is_opened_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, removals = tmp_path / "run.lock", [True]
    flock = fcntl.flock

    def removed_first(file: Any, operation: int) -> None:
        if removals and removals.pop():
            path.unlink()
        flock(file, operation)

    monkeypatch.setattr(locks.fcntl, "flock", removed_first)
    held = try_lock(path)

    assert held is not None
    assert path.exists()
    assert try_lock(path) is None
    held.close()
