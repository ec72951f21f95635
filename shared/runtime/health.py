"""Health server: liveness, readiness and metrics over HTTP.

`/livez` answers for the process alone: a liveness check that asked a broker or a database would turn their outage
into a storm of restarts. `/readyz` says whether it should be given work. `/metrics` is Prometheus' text format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from shared.errors import Misconfigured

Check = Callable[[], bool]
# The checks of the service shell; every service adds at least one of its own.
RUNNING, BUILT = "running", "built"
SHELLS = (RUNNING, BUILT)


class Health:
    """The health server of one service; `async with` it. With port 0 the system chooses: see `url`."""

    def __init__(self, host: str, port: int, registry: CollectorRegistry) -> None:
        self._host = host
        self._port = port
        self._registry = registry
        self._ready: dict[str, Check] = {}
        self._alive: dict[str, Check] = {}
        self._runner: web.ServerRunner | None = None
        self._bound = ""

    @property
    def url(self) -> str:
        """`http://host:port` as bound; empty before it listens."""
        return self._bound

    @property
    def is_ready(self) -> bool:
        """Whether every readiness check passes."""
        return all(_answers(self._ready).values())

    def ready_when(self, name: str, check: Check) -> None:
        """Add a readiness check: `/readyz` is 503 until all are true. One that raises counts as false."""
        self._ready[name] = check

    @property
    def knows_its_service(self) -> bool:
        """Whether the service has added a check of its own.

        The health server listens before the service has built its parts: until one of them has added its check, the
        service is not ready, although no check fails.
        """
        return any(name not in SHELLS for name in self._ready)

    def alive_when(self, name: str, check: Check) -> None:
        """Add a liveness check: once false, `/livez` is 503 and the process may be killed.

        Never call other systems.
        """
        self._alive[name] = check

    async def __aenter__(self) -> Self:
        server = web.Server(self._serve, access_log=None)
        self._runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise Misconfigured(f"HEALTH_HOST, HEALTH_PORT: cannot listen on {self._host}:{self._port}") from error
        self._bound = f"http://{self._host}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/livez":
            return _report(_answers(self._alive))
        if request.path == "/readyz":
            return _report(_answers(self._ready))
        if request.path == "/metrics":
            return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
        return web.Response(status=404, text="try /livez, /readyz or /metrics\n")


def _answers(checks: Mapping[str, Check]) -> dict[str, bool]:
    return {name: _is_true(check) for name, check in checks.items()}


def _is_true(check: Check) -> bool:
    try:
        return bool(check())
    except Exception:
        return False


def _report(answers: Mapping[str, bool]) -> web.Response:
    good = all(answers.values())
    body = orjson.dumps({"status": "ok" if good else "unavailable", "checks": dict(answers)})
    return web.Response(status=200 if good else 503, body=body, content_type="application/json")
