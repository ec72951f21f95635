"""Where the command line finds the running system."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.cli.running_system import environment, find_running_system
from shared.errors import Misconfigured

RUN = {
    "database": {"url": "postgresql:///here"},
    "broker": {"bootstrap_servers": "127.0.0.1:9"},
    "topic_prefix": "x.",
    "services": [{"name": "ingress"}],
}


@pytest.fixture
def run_json(tmp_path: Path) -> Path:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(RUN))
    return path


def test_what_the_run_wrote_down_is_found(run_json: Path) -> None:
    system = find_running_system({}, run_json)

    assert (system.database_url, system.bootstrap_servers, system.topic_prefix) == (
        "postgresql:///here", "127.0.0.1:9", "x.",
    )  # fmt: skip
    assert system.services == ({"name": "ingress"},)


def test_a_sandbox_reaches_ingress_where_the_run_says(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**RUN, "ingress": "http://127.0.0.1:8", "sandbox": "http://127.0.0.1:7"}))
    system = find_running_system({}, path)

    assert system.environ({})["INGRESS_PUBLIC_URL"] == "http://127.0.0.1:8"
    assert system.environ({"INGRESS_PUBLIC_URL": "https://x"})["INGRESS_PUBLIC_URL"] == "https://x"
    path.write_text(json.dumps({**RUN, "ingress": "http://127.0.0.1:8", "sandbox": None}))
    assert "INGRESS_PUBLIC_URL" not in find_running_system({}, path).environ({})


def test_the_environment_goes_before_it(run_json: Path) -> None:
    assert find_running_system({"DATABASE_URL": "postgresql:///there"}, run_json).database_url == "postgresql:///there"


def test_without_either_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="tillbridge run"):
        find_running_system({}, tmp_path / "run.json")


def test_a_broken_file_is_said_to_be_broken(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{")

    with pytest.raises(Misconfigured, match="cannot be read"):
        find_running_system({}, tmp_path / "run.json")


def test_the_env_file_never_overrides_the_environment(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=from file\nB=from file\nC=\n")

    assert environment({"A": "given"}, file) == {"A": "given", "B": "from file", "C": ""}


def test_services_are_named_by_hand_where_nothing_runs_here(run_json: Path) -> None:
    system = find_running_system({"STATUS_URLS": "ingress=http://ingress:9100, poller=http://poller:9100/"}, run_json)

    assert system.services == (
        {"name": "ingress", "health": "http://ingress:9100/readyz", "metrics": "http://ingress:9100/metrics"},
        {"name": "poller", "health": "http://poller:9100/readyz", "metrics": "http://poller:9100/metrics"},
    )


@pytest.mark.parametrize("urls", ["ingress", "=http://x", "ingress=x", "a=http://x,b"])
def test_a_list_of_services_that_is_none_is_refused(urls: str, run_json: Path) -> None:
    with pytest.raises(Misconfigured, match="STATUS_URLS"):
        find_running_system({"STATUS_URLS": urls}, run_json)
