from __future__ import annotations

import pytest

from shared.connectors.heartland.account import HeartlandAccount
from shared.connectors.heartland.settings import HeartlandSettings
from shared.definitions.parse import read_section
from shared.errors import Misconfigured


@pytest.mark.parametrize(
    "address", ["https://acme.example", "acme.example/", "https://acme.example/api/", " https://acme.example/api "]
)
def test_the_address_is_taken_as_people_copy_it(address: str) -> None:
    account = HeartlandAccount.read({"base_url": address, "api_token": "t"})

    assert account.base_url == "https://acme.example"


def test_missing_credentials_are_named() -> None:
    with pytest.raises(Misconfigured, match="base_url and api_token"):
        HeartlandAccount.read({})


def test_secrets_do_not_print() -> None:
    account = HeartlandAccount.read(
        {"base_url": "a", "api_token": "geheim", "hook_token": "x1", "previous_hook_token": "x2"}
    )

    assert "geheim" not in repr(account)
    assert account.hook_tokens == ("x1", "x2")


def test_a_wrong_setting_is_named() -> None:
    with pytest.raises(Misconfigured, match=r"heartland\.read_lag_seconds"):
        read_section({"heartland": {"read_lag_seconds": "long", "order": {}}}, "heartland", HeartlandSettings)
