from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from deploy.local.account import (
    connection_from,
    read_settings,
    secret_key,
    wants_sandbox,
)
from shared.errors import Misconfigured

SANDBOX = "http://127.0.0.1:1234"
REAL = {
    "SHOPIFY_SHOP_DOMAIN": "shop.myshopify.com",
    "SHOPIFY_CLIENT_ID": "id",
    "SHOPIFY_CLIENT_SECRET": "secret",
    "HEARTLAND_BASE_URL": "https://shop.retail.heartland.us/api/",
    "HEARTLAND_API_TOKEN": "token",
}


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in REAL.items() if key != name}


def test_without_credentials_the_sandbox_is_both_vendors() -> None:
    described = connection_from({}, SANDBOX)

    connection, credentials = described.connection, described.connection.credentials
    assert (connection.name, described.names_settings) == ("main", False)
    assert connection.settings == {"heartland": {"order": {"source_location": "Online"}}}
    assert credentials["shopify"]["base_url"] == credentials["heartland"]["base_url"] == SANDBOX


def test_the_sandbox_is_reached_with_what_it_was_told() -> None:
    environ = {"SANDBOX_API_TOKEN": "mine", "SANDBOX_CLIENT_SECRET": "hush"}

    credentials = connection_from(environ, SANDBOX).connection.credentials

    assert credentials["heartland"]["api_token"] == "mine"
    assert credentials["shopify"]["client_secret"] == "hush"


def test_credentials_in_the_environment_are_taken_under_the_connections_name() -> None:
    connection = connection_from({**REAL, "CONNECTION_NAME": "berlin"}, SANDBOX).connection

    credentials = connection.credentials
    assert connection.name == "berlin"
    assert credentials["shopify"] == {"shop_domain": "shop.myshopify.com", "client_id": "id", "client_secret": "secret"}
    assert credentials["heartland"] == {"base_url": "https://shop.retail.heartland.us/api/", "api_token": "token"}


def test_rotated_secrets_travel_along() -> None:
    environ = {**REAL, "SHOPIFY_CLIENT_SECRET_PREVIOUS": "old", "HEARTLAND_HOOK_TOKEN_PREVIOUS": "older"}

    credentials = connection_from(environ, SANDBOX).connection.credentials

    assert credentials["shopify"]["previous_client_secret"] == "old"
    assert credentials["heartland"]["previous_hook_token"] == "older"


@pytest.mark.parametrize("name", sorted(REAL))
def test_a_missing_credential_is_named(name: str) -> None:
    with pytest.raises(Misconfigured, match=f"{name}.* missing"):
        connection_from(without(name), SANDBOX)


def test_a_static_token_stands_in_for_the_client_id() -> None:
    environ = {**without("SHOPIFY_CLIENT_ID"), "SHOPIFY_ACCESS_TOKEN": "shpat"}

    assert connection_from(environ, SANDBOX).connection.credentials["shopify"]["access_token"] == "shpat"


def test_one_vendor_alone_is_never_mixed_with_the_sandbox() -> None:
    with pytest.raises(Misconfigured, match="set the credentials of both vendors"):
        connection_from({"HEARTLAND_BASE_URL": "https://x", "HEARTLAND_API_TOKEN": "t"}, SANDBOX)


def test_an_empty_variable_is_none() -> None:
    assert wants_sandbox(dict.fromkeys(REAL, ""))


def test_settings_of_the_connection_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"heartland": {"order": {"order_prefix": "W-"}}}')
    environ = {"CONNECTION_SETTINGS_FILE": str(path)}

    described = connection_from({**REAL, **environ}, SANDBOX)

    assert read_settings(environ) == {"heartland": {"order": {"order_prefix": "W-"}}}
    assert (described.connection.settings, described.names_settings) == (read_settings(environ), True)
    sandbox = connection_from(environ, SANDBOX).connection.settings
    assert sandbox == {"heartland": {"order": {"source_location": "Online", "order_prefix": "W-"}}}


def test_an_empty_settings_file_names_no_settings() -> None:
    assert read_settings({"CONNECTION_SETTINGS_FILE": "/dev/null"}) is None


@pytest.mark.parametrize(("text", "complaint"), [("{", "is not JSON"), ("[]", "must contain a JSON object")])
def test_a_settings_file_that_cannot_be_used_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(text)

    with pytest.raises(Misconfigured, match=complaint):
        read_settings({"CONNECTION_SETTINGS_FILE": str(path)})


def test_an_unknown_key_in_the_settings_file_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"order_prefx": "W-"}')

    with pytest.raises(Misconfigured, match=r'"order_prefx", did you mean "heartland\.order\.order_prefix"'):
        read_settings({"CONNECTION_SETTINGS_FILE": str(path)})


def test_a_settings_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read: No such file"):
        read_settings({"CONNECTION_SETTINGS_FILE": str(tmp_path / "none.json")})


def test_the_secret_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    key = secret_key({}, tmp_path)

    assert len(base64.b64decode(key)) == 32
    assert secret_key({}, tmp_path) == key
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600


def test_a_given_secret_key_is_taken_and_none_is_made(tmp_path: Path) -> None:
    (tmp_path / "mounted").write_text("theirs\n")

    assert secret_key({"SECRET_KEY": "mine"}, tmp_path) == "mine"
    assert secret_key({"SECRET_KEY_FILE": str(tmp_path / "mounted")}, tmp_path) == "theirs"
    assert not (tmp_path / "secret.key").exists()
