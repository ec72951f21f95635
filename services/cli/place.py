"""Where the running system is: what the environment says, else what `tillbridge run` wrote down."""

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
NOTHING_RUNS = "nothing runs here: start it with `tillbridge run`, or set DATABASE_URL"
Json = dict[str, Any]


def environment(environ: Mapping[str, str] = os.environ, file: Path = ENV_FILE) -> dict[str, str]:
    """The environment, with what only `.env` says added to it."""
    in_file = {name: value for name, value in dotenv_values(file).items() if value is not None}
    return {**in_file, **environ}


@dataclass(frozen=True, slots=True)
class Place:
    """A running system. Kafka's address is empty where it is not known; `services` say where each answers.

    `key_file` is where a local run keeps the key of its credentials, `public_url` where its sandbox reaches ingress,
    `sandbox_url` where that answers, `connection` the one that leads to it.
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
        """What a tool needs to reach the same system, as a service is told it."""
        told = {
            **given,
            "DATABASE_URL": self.database_url,
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "TOPIC_PREFIX": self.topic_prefix,
        }
        if not given.get("SECRET_KEY") and not given.get("SECRET_KEY_FILE") and self.key_file is not None:
            told["SECRET_KEY_FILE"] = str(self.key_file)
        if self.public_url and not given.get("INGRESS_PUBLIC_URL"):
            told["INGRESS_PUBLIC_URL"] = self.public_url
        return told


def find(environ: Mapping[str, str], run_json: Path = RUN_JSON) -> Place:
    """The running system. Raises Misconfigured, saying what to do, where there is none."""
    run = read_run(run_json)
    url = environ.get("DATABASE_URL") or run.get("database", {}).get("url")
    if not url:
        raise Misconfigured(NOTHING_RUNS)
    return Place(
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
        raise Misconfigured("STATUS_URLS is a list of name=http://host:port, separated by commas")
    roots = [(name, url.rstrip("/")) for name, _, url in pairs]
    return tuple({"name": name, "health": f"{root}/readyz", "metrics": f"{root}/metrics"} for name, root in roots)


def _key_file(run: Json) -> Path | None:
    path = Path(run["folder"]) / "secret.key" if "folder" in run else None
    return path if path is not None and path.exists() else None


def read_run(path: Path) -> Json:
    """What the run wrote down; empty where none is going on."""
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}") from None
    return run if isinstance(run, dict) else {}
