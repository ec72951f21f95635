"""`.env.example` is the documentation of the settings: it names every one, and nothing else."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from shared.definitions.describe import describe, reference
from shared.entities.settings_model import settings_model

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.parent.name for path in (ROOT / "services").glob("*/settings.py"))
# Read by the local engine and by the command line, not by a service.
BY_HAND = {
    "TILLBRIDGE_ENGINE", "TILLBRIDGE_CACHE", "CONNECTION_NAME", "CONNECTION_SETTINGS_FILE",
    "SHOPIFY_SHOP_DOMAIN", "SHOPIFY_CLIENT_ID", "SHOPIFY_CLIENT_SECRET", "SHOPIFY_CLIENT_SECRET_PREVIOUS",
    "SHOPIFY_ACCESS_TOKEN", "HEARTLAND_BASE_URL", "HEARTLAND_API_TOKEN", "HEARTLAND_HOOK_TOKEN",
    "HEARTLAND_HOOK_TOKEN_PREVIOUS", "POSTGRES_PASSWORD", "STATUS_URLS",
}  # fmt: skip


def settings_of(service: str) -> type[BaseModel]:
    model: type[BaseModel] = importlib.import_module(f"services.{service}.settings").Settings
    return model


def fields() -> dict[str, str]:
    """Environment name -> description, over all services."""
    return {
        name.upper(): field.description or ""
        for service in MODULES
        for name, field in settings_of(service).model_fields.items()
    }


def documented() -> dict[str, str]:
    """Environment name -> the comment above it in .env.example."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return {name: comment for comment, name in re.findall(r"((?:^# .*\n)+)^#?([A-Z][A-Z0-9_]*)=", text, re.MULTILINE)}


def test_every_setting_is_in_the_example() -> None:
    assert set(fields()) - set(documented()) == set()


def test_the_example_names_nothing_that_is_not_a_setting() -> None:
    assert set(documented()) - set(fields()) == BY_HAND


@pytest.mark.parametrize("service", MODULES)
def test_every_setting_says_what_it_is(service: str) -> None:
    silent = [name for name, field in settings_of(service).model_fields.items() if not field.description]

    assert not silent


def test_connection_settings_are_documented_as_they_are() -> None:
    """Written anew by `tillbridge settings describe --markdown > docs/connection-settings.md`."""
    text = (ROOT / "docs" / "connection-settings.md").read_text(encoding="utf-8")

    assert text == reference(describe(settings_model()))


def test_every_connection_setting_says_what_it_is() -> None:
    assert [one.path for one in describe(settings_model()) if not one.says] == []
