from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.local.engine import Engine, ServerInfo
from deploy.local.report import run_report, write_run_json
from deploy.local.services import Launch
from deploy.local.supervisor import ServiceState, wait_before_restart, with_checkout

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(("crashes", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (5, 8.0), (6, 10.0), (1000, 10.0)])
def test_the_wait_before_a_restart_doubles_up_to_its_bound(crashes: int, seconds: float) -> None:
    assert wait_before_restart(crashes) == seconds


def test_a_service_finds_our_packages_wherever_it_is_started() -> None:
    assert with_checkout({})["PYTHONPATH"] == str(ROOT)
    assert with_checkout({"PYTHONPATH": "/else"})["PYTHONPATH"] == f"{ROOT}:/else"


def a_report(database_url: str) -> dict[str, object]:
    engine = Engine(
        "127.0.0.1:1",
        database_url,
        "t.",
        ServerInfo("Apache Kafka", "4.3.0", "embedded"),
        ServerInfo("PostgreSQL", "18.4", "given"),
    )
    launch = Launch("ingress", ("python",), {}, "http://127.0.0.1:3", "http://127.0.0.1:3/metrics")
    states = [ServiceState(launch, Path("build/logs/ingress.log"), "ready", 42)]
    at = datetime(2026, 1, 2, tzinfo=UTC)
    return run_report(
        engine=engine,
        states=states,
        connection="main",
        ingress="http://127.0.0.1:8080",
        sandbox=None,
        folder=Path("build/data"),
        at=at,
    )


def test_the_report_says_where_to_look(tmp_path: Path) -> None:
    write_run_json(tmp_path / "build" / "run.json", a_report("postgresql://postgres@/till?host=/run/x"))

    report = json.loads((tmp_path / "build" / "run.json").read_text())
    assert report["webhooks"] == "http://127.0.0.1:8080/webhooks/shopify/main"
    assert report["broker"] == {
        "product": "Apache Kafka", "version": "4.3.0", "obtained": "embedded", "bootstrap_servers": "127.0.0.1:1",
    }  # fmt: skip
    assert report["services"][0]["pid"] == 42
    assert report["services"][0]["metrics"] == "http://127.0.0.1:3/metrics"


def test_the_report_shows_no_password() -> None:
    assert "hush" not in json.dumps(a_report("postgresql://me:hush@db/till"))
