"""Compose, Makefile and the services' own list agree."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.local.services import SERVICES
from shared.messaging.record import ConsumerOptions

ROOT = Path(__file__).parents[2]
OUTSIDE = {"kafka", "postgres", "setup"}


def compose() -> dict[str, dict[str, object]]:
    services: dict[str, dict[str, object]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return services


def test_compose_starts_the_services_that_run_starts() -> None:
    assert set(compose()) - OUTSIDE == {service.name for service in SERVICES}


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_compose_runs_the_same_module(service: object) -> None:
    command = compose()[service.name]["command"]  # type: ignore[attr-defined]

    assert command == ["python", "-m", f"services.{service.module}"]  # type: ignore[attr-defined]
    assert importlib.util.find_spec(f"services.{service.module}.__main__")  # type: ignore[attr-defined]


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_compose_lets_a_service_finish_what_it_has_in_hand(service: object) -> None:
    seconds = str(compose()[service.name]["stop_grace_period"]).removesuffix("s")  # type: ignore[attr-defined]

    assert float(seconds) >= ConsumerOptions().drain_seconds + 10


def test_status_asks_every_service_of_compose() -> None:
    environ = compose()["ingress"]["environment"]
    assert isinstance(environ, dict)
    named = [entry.strip().partition("=") for entry in environ["STATUS_URLS"].split(",")]

    assert [(name, url) for name, _, url in named] == [
        (service.name, f"http://{service.name}:9100") for service in SERVICES if service.metrics
    ]


def test_every_service_folder_is_started_or_a_tool() -> None:
    folders = {path.parent.name for path in (ROOT / "services").glob("*/__main__.py")}

    assert folders - {service.module for service in SERVICES} == {"cli"}


def test_the_makefile_has_the_verbs_of_the_readme() -> None:
    makefile = (ROOT / "Makefile").read_text()
    verbs = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)`", (ROOT / "README.md").read_text()))

    assert {"setup", "run", "smoke", "bench", "test", "test-unit", "check", "fmt", "help"} <= verbs
    assert {"prove", "prove-short", "capabilities"} <= verbs
    assert named <= verbs


def test_ci_runs_the_readme_commands() -> None:
    script = (ROOT / ".ci" / "run").read_text()

    assert re.findall(r"^make (.*)$", script, re.MULTILINE) == ["check", "test", "prove-short"]


def test_docker_compose_accepts_the_file_where_the_plugin_is() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("the docker compose plugin is not on this machine")
    done = subprocess.run(
        [docker, "compose", "-f", "docker-compose.yml", "config", "--quiet"],
        cwd=ROOT,
        env={"SECRET_KEY": "x", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
