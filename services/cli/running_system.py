"""Finds the running system: from the environment, else from the file that `tillbridge run` writes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from shared.errors import Misconfigured

RUN_JSON = Path("build") / "run.json"
ENV_FILE = Path(".env")
NOT_RUNNING = "no running system found: start one with `tillbridge run`, or set DATABASE_URL"
Json = dict[str, Any]


def environment(environ: Mapping[str, str] = os.environ, file: Path = ENV_FILE) -> dict[str, str]:
    """The environment, completed with variables that only `.env` has."""
    in_file = {name: value for name, value in dotenv_values(file).items() if value is not None}
    return {**in_file, **environ}


@dataclass(frozen=True, slots=True)
class RunningSystem:
    """A running system. `bootstrap_servers` is empty if Kafka's address is not known.

    `services` has each service's addresses, `key_file` the key with which a local run encrypts credentials,
    `public_url` the address at which the sandbox reaches ingress, `connection` the sandbox's connection.
    """

    database_url: str
    bootstrap_servers: str = ""
    topic_prefix: str = ""
    services: tuple[Json, ...] = ()
    key_file: Path | None = None
    public_url: str = ""
    sandbox_url: str = ""
    connection: str = "main"

    def environ(self, given: Mapping[str, str]) -> dict[str, str]:
        """The given environment, with the variables that a service or tool needs to reach this system."""
        variables = {
            **given,
            "DATABASE_URL": self.database_url,
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "TOPIC_PREFIX": self.topic_prefix,
        }
        if not given.get("SECRET_KEY") and not given.get("SECRET_KEY_FILE") and self.key_file is not None:
            variables["SECRET_KEY_FILE"] = str(self.key_file)
        if self.public_url and not given.get("INGRESS_PUBLIC_URL"):
            variables["INGRESS_PUBLIC_URL"] = self.public_url
        return variables


def find_running_system(environ: Mapping[str, str], run_json: Path = RUN_JSON) -> RunningSystem:
    """The running system. Raises Misconfigured, with what to do, if there is none."""
    run = read_run(run_json)
    url = environ.get("DATABASE_URL") or run.get("database", {}).get("url")
    if not url:
        raise Misconfigured(NOT_RUNNING)
    return RunningSystem(
        database_url=url,
        bootstrap_servers=environ.get("KAFKA_BOOTSTRAP_SERVERS") or run.get("broker", {}).get("bootstrap_servers", ""),
        topic_prefix=environ.get("TOPIC_PREFIX") or run.get("topic_prefix", ""),
        services=_named(environ["STATUS_URLS"]) if environ.get("STATUS_URLS") else tuple(run.get("services", ())),
        key_file=_key_file(run),
        public_url=run.get("ingress", "") if run.get("sandbox") else "",
        sandbox_url=environ.get("SANDBOX_URL") or run.get("sandbox") or "",
        connection=environ.get("CONNECTION_NAME") or run.get("connection") or "main",
    )


def _named(text: str) -> tuple[Json, ...]:
    """Services as STATUS_URLS lists them: `ingress=http://ingress:9100,...`. Raises Misconfigured."""
    pairs = [entry.strip().partition("=") for entry in text.split(",") if entry.strip()]
    if not all(name and url.startswith(("http://", "https://")) for name, _, url in pairs):
        raise Misconfigured("STATUS_URLS must be a list of name=http://host:port, separated by commas")
    roots = [(name, url.rstrip("/")) for name, _, url in pairs]
    return tuple({"name": name, "health": f"{root}/readyz", "metrics": f"{root}/metrics"} for name, root in roots)


def _key_file(run: Json) -> Path | None:
    path = Path(run["folder"]) / "secret.key" if "folder" in run else None
    return path if path is not None and path.exists() else None


def read_run(path: Path) -> Json:
    """The file that a local run writes; empty if none is running."""
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}") from None
    return run if isinstance(run, dict) else {}
