"""Kafka's jars: downloaded once with jgo, verified by SHA-256 (jgo.lock.toml), cached per user."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from deploy.local.locks import locked
from shared.errors import Misconfigured

LOCK = Path(__file__).with_name("jgo.lock.toml")
_TIMEOUT_SECONDS = 60
_ATTEMPTS = 3
_AT_A_TIME = 6

# Downloads one jar into the folder; returns its path.
Fetch = Callable[["Jar", Path], Path]
# Called with the number of downloaded jars and their total.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Jar:
    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def filename(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def cache_folder(environ: Mapping[str, str]) -> Path:
    """The download cache: TILLBRIDGE_CACHE, else the user's cache folder."""
    return Path(environ.get("TILLBRIDGE_CACHE") or platformdirs.user_cache_dir("tillbridge")).absolute()


def locked_jars(lock: Path = LOCK) -> tuple[Jar, ...]:
    """Raises Misconfigured for a jar without a SHA-256."""
    entries = tomllib.loads(lock.read_text(encoding="utf-8"))["dependencies"]
    for entry in entries:
        if not entry.get("sha256"):
            raise Misconfigured(f"{lock.name} has no SHA-256 for {entry['artifactId']}: run `jgo lock` beside it")
    return tuple(Jar(e["groupId"], e["artifactId"], e["version"], e["sha256"]) for e in entries)


def kafka_version(jars: Sequence[Jar]) -> str:
    return next(jar.version for jar in jars if jar.artifact.startswith("kafka_"))


def ensure_jars(cache: Path, jars: Sequence[Jar], fetch: Fetch, progress: Progress) -> Path:
    """The folder with all jars, downloaded if missing. Blocks: call it in a thread.

    Raises Misconfigured when a jar cannot be fetched or does not match its locked SHA-256.
    """
    folder = cache / f"kafka-{_fingerprint(jars)}"
    with locked(cache / "kafka.lock"):
        if not folder.exists():
            _fill(folder, jars, fetch, progress)
    _verify_all(folder, jars)
    return folder


def fetch_with_jgo(jar: Jar, folder: Path) -> Path:
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    # Repositories in the user's jgo settings have priority, so that a mirror can be configured.
    repositories = {**GlobalSettings.load().repositories, "central": MAVEN_CENTRAL_URL}
    context = MavenContext(repo_cache=folder, remote_repos=repositories, timeout=_TIMEOUT_SECONDS)
    path: Path = context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    return path


def verify(jar: Jar, path: Path, advice: str) -> None:
    """Raises Misconfigured if the file's SHA-256 is not the locked one."""
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "no file"
    if found != jar.sha256:
        raise Misconfigured(f"{jar.filename} does not match its locked SHA-256 ({found[:12]}): {advice}")


def _fill(folder: Path, jars: Sequence[Jar], fetch: Fetch, progress: Progress) -> None:
    """Fills a temporary folder and renames it at the end, so that an incomplete one is never used."""
    part = Path(tempfile.mkdtemp(prefix=".kafka-", dir=folder.parent))
    try:
        (part / "jars").mkdir()
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            progress(0, len(jars))
            for done, _ in enumerate(pool.map(lambda jar: _download(jar, part, fetch), jars), start=1):
                progress(done, len(jars))
        (part / "jars").rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _download(jar: Jar, part: Path, fetch: Fetch) -> None:
    path = _with_retries(jar, part, fetch)
    verify(jar, path, "try again, or from another network; nothing of it was kept")
    path.rename(part / "jars" / jar.filename)


def _with_retries(jar: Jar, part: Path, fetch: Fetch) -> Path:
    reason = ""
    for attempt in range(_ATTEMPTS):
        try:
            # One folder per attempt: jgo would accept a partial download of an earlier attempt.
            return fetch(jar, part / str(attempt))
        except (OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
    raise Misconfigured(
        f"{jar.filename} could not be downloaded ({reason}): check the network, "
        "or set KAFKA_BOOTSTRAP_SERVERS to a broker"
    )


def _verify_all(folder: Path, jars: Sequence[Jar]) -> None:
    for jar in jars:
        verify(jar, folder / jar.filename, f"delete {folder} and run again")


def _fingerprint(jars: Sequence[Jar]) -> str:
    text = "".join(sorted(f"{jar.filename} {jar.sha256}\n" for jar in jars))
    return f"{kafka_version(jars)}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
