"""The processes of a local run; docker-compose.yml has the same, which a test checks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from deploy.local.account import SECRETS
from shared.entities.table import transformed


@dataclass(frozen=True, slots=True)
class LocalService:
    """`health_port` is the variable for the port of /readyz, `ports` are the variables of other ports."""

    name: str
    module: str
    environ: Mapping[str, str] = field(default_factory=dict)
    health_port: str = "HEALTH_PORT"
    ports: tuple[str, ...] = ()
    metrics: bool = True


SERVICES = (
    LocalService("sandbox", "sandbox", health_port="SANDBOX_PORT", metrics=False),
    LocalService("ingress", "ingress", ports=("INGRESS_PORT",)),
    LocalService("poller", "poller"),
    *(
        LocalService(f"transformer-{spec.name}", "transformers", {"TRANSFORMER_ENTITY": spec.name})
        for spec in transformed()
    ),
    LocalService("heartland-writer", "heartland_writer"),
    LocalService("shopify-writer", "shopify_writer"),
    LocalService("journal", "journal"),
    LocalService("reconciler", "reconciler"),
)


@dataclass(frozen=True, slots=True)
class Launch:
    """What the supervisor needs to start one process and to check its readiness."""

    name: str
    argv: tuple[str, ...]
    environ: Mapping[str, str]
    url: str
    metrics_url: str | None

    @property
    def ready_url(self) -> str:
        return f"{self.url}/readyz"

    def address(self, variable: str) -> str:
        """The URL of one of its ports."""
        return f"http://127.0.0.1:{self.environ[variable]}"


def plan(service: LocalService, given: Mapping[str, str], reserve: Callable[[], int], replica: int = 1) -> Launch:
    """The launch of one process with its ports.

    Ports in `given` are kept, except health ports, which must differ.

    The second `replica` of poller is named poller-2, and has ports of its own.
    Vendors' secrets in `given` are left out: services read them from the database.
    """
    environ = {name: value for name, value in given.items() if name not in SECRETS}
    environ.pop("HEALTH_PORT", None)
    environ |= service.environ
    if replica > 1:
        environ |= dict.fromkeys(service.ports, "0")
    for variable in (service.health_port, *service.ports):
        if environ.get(variable, "0") in ("", "0"):
            environ[variable] = str(reserve())
    name = service.name if replica == 1 else f"{service.name}-{replica}"
    environ |= {"INSTANCE": name, "PYTHONUNBUFFERED": "1"}
    url = f"http://127.0.0.1:{environ[service.health_port]}"
    argv = (sys.executable, "-m", f"services.{service.module}")
    return Launch(name, argv, environ, url, f"{url}/metrics" if service.metrics else None)


def named(name: str, services: Iterable[LocalService] = SERVICES) -> LocalService:
    return next(service for service in services if service.name == name)
