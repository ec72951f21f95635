"""Writes build/run.json: addresses, logs and state of a running system, for people and programs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deploy.local.engine import Engine, without_password
from deploy.local.supervisor import ServiceState


def run_report(
    *,
    engine: Engine,
    states: Iterable[ServiceState],
    connection: str,
    ingress: str,
    sandbox: str | None,
    folder: Path,
    at: datetime,
) -> dict[str, Any]:
    """The report, without secrets: the database URL has no password."""
    return {
        "started_at": at.isoformat(),
        "connection": connection,
        "ingress": ingress,
        "webhooks": f"{ingress}/webhooks/shopify/{connection}",
        "sandbox": sandbox,
        "folder": str(folder),
        "topic_prefix": engine.topic_prefix,
        "broker": {**asdict(engine.broker_info), "bootstrap_servers": engine.bootstrap_servers},
        "database": {**asdict(engine.database_info), "url": public_url(engine.database_url)},
        "services": [_service(state) for state in states],
    }


def public_url(url: str) -> str:
    return without_password(url) if urlsplit(url).password else url


def write_run_json(path: Path, report: dict[str, Any]) -> None:
    """Writes the file atomically, so that readers never see a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    part.replace(path)


def _service(state: ServiceState) -> dict[str, Any]:
    return {
        "name": state.name,
        "pid": state.pid,
        "health": state.launch.ready_url,
        "metrics": state.launch.metrics_url,
        "log": str(state.log),
        "restarts": state.restarts,
    }
