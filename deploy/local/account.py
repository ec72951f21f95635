"""Chooses the accounts of a local run: those in the environment, else the sandbox's."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.definitions.paths import merged
from shared.entities.settings_model import settings_check
from shared.errors import Misconfigured
from shared.runtime.settings import from_files
from shared.state.connections import Connection

Credentials = dict[str, dict[str, str]]

# Environment name -> the credential's name in the connection.
SHOPIFY = {
    "SHOPIFY_SHOP_DOMAIN": "shop_domain",
    "SHOPIFY_CLIENT_ID": "client_id",
    "SHOPIFY_CLIENT_SECRET": "client_secret",
    "SHOPIFY_CLIENT_SECRET_PREVIOUS": "previous_client_secret",
    "SHOPIFY_ACCESS_TOKEN": "access_token",
}
HEARTLAND = {
    "HEARTLAND_BASE_URL": "base_url",
    "HEARTLAND_API_TOKEN": "api_token",
    "HEARTLAND_HOOK_TOKEN": "hook_token",
    "HEARTLAND_HOOK_TOKEN_PREVIOUS": "previous_hook_token",
}
SECRETS = frozenset({*SHOPIFY, *HEARTLAND})
# Variables that the local engine itself reads.
SERVERS = ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL")
SANDBOX_HOOK_TOKEN = "sandbox-hook-token"  # noqa: S105 - of the simulated vendor

# The simulated account has two locations with stations; a merchant chooses which one takes web orders.
SANDBOX_SETTINGS: dict[str, Any] = {"heartland": {"order": {"source_location": "Online"}}}


def read_files(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, with secrets and server addresses read from `<name>_FILE` if set.

    Raises Misconfigured.
    """
    return from_files(environ, (*SECRETS, *SERVERS))


def wants_sandbox(environ: Mapping[str, str]) -> bool:
    """Whether the environment has no credential of either vendor."""
    return not any(environ.get(name) for name in SECRETS)


@dataclass(frozen=True, slots=True)
class ConnectionInput:
    """The connection that the environment describes.

    `names_settings`: its settings are from a file. Otherwise they are used only if none are stored yet.
    """

    connection: Connection
    names_settings: bool


def connection_from(environ: Mapping[str, str], sandbox: str) -> ConnectionInput:
    """The connection; `sandbox` is the sandbox's URL, used if no credential is given.

    Raises Misconfigured, which names every missing variable. A real vendor cannot be combined with the sandbox: ids of
    records that do not exist would be written into a real shop.
    """
    name = environ.get("CONNECTION_NAME") or "main"
    settings = read_settings(environ)
    if wants_sandbox(environ):
        chosen = merged(SANDBOX_SETTINGS, settings or {})
        connection = Connection(name, sandbox_credentials(environ, sandbox), chosen)
        return ConnectionInput(connection, settings is not None)
    if missing := missing_credentials(environ):
        raise Misconfigured(
            f"{'; '.join(missing)} missing: set the credentials of both vendors, or of neither to use the sandbox"
        )
    credentials = {"shopify": _taken(SHOPIFY, environ), "heartland": _taken(HEARTLAND, environ)}
    return ConnectionInput(Connection(name, credentials, settings or {}), settings is not None)


def missing_credentials(environ: Mapping[str, str]) -> list[str]:
    needed = ["SHOPIFY_SHOP_DOMAIN", "HEARTLAND_BASE_URL", "HEARTLAND_API_TOKEN"]
    missing = [name for name in needed if not environ.get(name)]
    # The client secret verifies webhooks, so an access token alone is not enough.
    if not environ.get("SHOPIFY_CLIENT_SECRET"):
        missing.append("SHOPIFY_CLIENT_SECRET")
    if not (environ.get("SHOPIFY_CLIENT_ID") or environ.get("SHOPIFY_ACCESS_TOKEN")):
        missing.append("SHOPIFY_CLIENT_ID or SHOPIFY_ACCESS_TOKEN")
    return missing


def sandbox_credentials(environ: Mapping[str, str], url: str) -> Credentials:
    """The credentials that the sandbox accepts in this environment."""

    def value(name: str, default: str) -> str:
        return environ.get(name) or default

    return {
        "shopify": {
            "shop_domain": value("SANDBOX_SHOP_DOMAIN", "sandbox.myshopify.com"),
            "client_id": value("SANDBOX_CLIENT_ID", "sandbox-client-id"),
            "client_secret": value("SANDBOX_CLIENT_SECRET", "sandbox-client-secret"),
            "base_url": url,
        },
        "heartland": {
            "base_url": url,
            "api_token": value("SANDBOX_API_TOKEN", "sandbox-api-token"),
            "hook_token": SANDBOX_HOOK_TOKEN,
        },
    }


def read_settings(environ: Mapping[str, str]) -> dict[str, Any] | None:
    """The connection's settings from CONNECTION_SETTINGS_FILE, a JSON object.

    None for no file, or an empty one.

    Raises Misconfigured. An unknown key is rejected with the closest valid name, and so is a value of the wrong type.
    """
    name = environ.get("CONNECTION_SETTINGS_FILE")
    if not name:
        return None
    try:
        settings = json.loads(Path(name).read_text(encoding="utf-8").strip() or "null")
    except OSError as error:
        raise Misconfigured(f"CONNECTION_SETTINGS_FILE {name} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Misconfigured(f"CONNECTION_SETTINGS_FILE {name} is not JSON: {error}") from None
    if settings is None:
        return None
    if not isinstance(settings, dict):
        raise Misconfigured(f"CONNECTION_SETTINGS_FILE {name} must contain a JSON object")
    settings_check()(settings)
    return settings


def secret_key(environ: Mapping[str, str], folder: Path) -> str:
    """SECRET_KEY, or the key in the data folder, generated on first use and readable by its owner only."""
    if given := environ.get("SECRET_KEY"):
        return given
    if named := environ.get("SECRET_KEY_FILE"):
        return Path(named).read_text(encoding="ascii").strip()
    path = folder / "secret.key"
    if not path.exists():
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(32)))
        part.rename(path)
    return path.read_text(encoding="ascii").strip()


def _taken(names: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    return {credential: environ[name] for name, credential in names.items() if environ.get(name)}
