from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from deploy.local.jars import (
    LOCK,
    Jar,
    cache_folder,
    ensure_jars,
    kafka_version,
    locked_jars,
)
from shared.errors import Misconfigured


def a_jar(artifact: str = "kafka_2.13", content: bytes = b"jar") -> Jar:
    return Jar("org.example", artifact, "4.3.0", hashlib.sha256(content).hexdigest())


class Repository:
    """Serves the content to everyone and counts."""

    def __init__(self, content: bytes = b"jar") -> None:
        self.content = content
        self.fetched: list[str] = []

    def __call__(self, jar: Jar, folder: Path) -> Path:
        self.fetched.append(jar.filename)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / jar.filename
        path.write_bytes(self.content)
        return path


def silent(_done: int, _total: int) -> None:
    return


def test_a_first_run_fetches_every_jar_and_shows_progress(tmp_path: Path) -> None:
    jars, shown = (a_jar(), a_jar("scala-library")), []

    folder = ensure_jars(tmp_path, jars, Repository(), lambda done, total: shown.append((done, total)))

    assert {path.name for path in folder.iterdir()} == {jar.filename for jar in jars}
    assert shown == [(0, 2), (1, 2), (2, 2)]


def test_a_second_run_fetches_nothing(tmp_path: Path) -> None:
    ensure_jars(tmp_path, (a_jar(),), Repository(), silent)
    repository = Repository()

    ensure_jars(tmp_path, (a_jar(),), repository, silent)

    assert repository.fetched == []


def test_first_runs_side_by_side_fetch_once(tmp_path: Path) -> None:
    repository = Repository()
    runs = [threading.Thread(target=ensure_jars, args=(tmp_path, (a_jar(),), repository, silent)) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()

    assert repository.fetched == [a_jar().filename]


def test_a_jar_with_another_hash_is_refused_in_one_line_and_nothing_is_kept(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"^kafka_2\.13-4\.3\.0\.jar does not match its locked SHA-256") as refused:
        ensure_jars(tmp_path, (a_jar(),), Repository(b"something else"), silent)

    assert "\n" not in refused.value.reason
    assert not list(tmp_path.rglob("*.jar"))


def test_a_jar_damaged_in_the_cache_is_noticed(tmp_path: Path) -> None:
    folder = ensure_jars(tmp_path, (a_jar(),), Repository(), silent)
    (folder / a_jar().filename).write_bytes(b"damaged")

    with pytest.raises(Misconfigured, match=f"delete {folder} and run again"):
        ensure_jars(tmp_path, (a_jar(),), Repository(), silent)


def test_a_passing_network_failure_is_tried_again(tmp_path: Path) -> None:
    repository, failures = Repository(), [ConnectionError("reset")]

    def shaky(jar: Jar, folder: Path) -> Path:
        if failures:
            raise failures.pop()
        return repository(jar, folder)

    assert ensure_jars(tmp_path, (a_jar(),), shaky, silent).is_dir()


def test_without_a_network_one_line_says_what_to_do(tmp_path: Path) -> None:
    def unreachable(jar: Jar, folder: Path) -> Path:
        raise ConnectionError("no route\nto host")

    with pytest.raises(Misconfigured, match="check the network, or set KAFKA_BOOTSTRAP_SERVERS") as refused:
        ensure_jars(tmp_path, (a_jar(),), unreachable, silent)

    assert "\n" not in refused.value.reason


def test_the_lock_pins_every_jar_and_names_no_host() -> None:
    jars = locked_jars()

    assert len(jars) > 40
    assert all(len(jar.sha256) == 64 for jar in jars)
    assert kafka_version(jars).startswith("4.3.")
    assert "://" not in LOCK.read_text()


def test_the_lock_belongs_to_the_spec_beside_it() -> None:
    spec = LOCK.with_name("jgo.toml").read_bytes()

    assert f'spec_hash = "{hashlib.sha256(spec).hexdigest()[:16]}"' in LOCK.read_text()


def test_a_lock_without_a_hash_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "jgo.lock.toml"
    lock.write_text('[[dependencies]]\ngroupId = "g"\nartifactId = "a"\nversion = "1"\n')

    with pytest.raises(Misconfigured, match="no SHA-256 for a"):
        locked_jars(lock)


def test_the_cache_lies_outside_the_checkout_and_can_be_moved(tmp_path: Path) -> None:
    assert cache_folder({}).name == "tillbridge"
    assert cache_folder({"TILLBRIDGE_CACHE": str(tmp_path)}) == tmp_path
