"""A connection's settings are read strictly; each fault is named in one line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.connectors.heartland.settings import HeartlandSettings
from shared.connectors.shopify.settings import ShopifySettings
from shared.definitions.parse import check_settings
from shared.errors import Misconfigured

MODELS = (HeartlandSettings, ShopifySettings)
KNOWN = sorted({name for model in MODELS for name in model.model_fields})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"order_prefx": "W-"}, 'unknown key "order_prefx", did you mean "order_prefix"?'),
        ({"Source_Location": "Online"}, 'unknown key "Source_Location", did you mean "source_location"?'),
        ({"metafield_namspace": "x"}, 'did you mean "metafield_namespace"?'),
        ({"zzz": 1}, 'connection settings: unknown key "zzz"'),
        ({"station_id": "till"}, "station_id: "),
        ({"read_lag_seconds": -1}, "read_lag_seconds: "),
        ({"location_map": 5}, "location_map: "),
    ],
)
def test_a_fault_is_named_in_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        check_settings(settings, MODELS)

    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_fault_is_named() -> None:
    with pytest.raises(Misconfigured, match=r"order_prefx.*; .*station_id"):
        check_settings({"order_prefx": "W-", "station_id": "till"}, MODELS)


def test_the_defaults_of_every_key_are_accepted() -> None:
    check_settings({name: value for model in MODELS for name, value in model().model_dump().items()}, MODELS)


@given(st.text().filter(lambda key: key not in KNOWN))
def test_no_unknown_key_is_accepted(key: str) -> None:
    with pytest.raises(Misconfigured, match="unknown key"):
        check_settings({key: 1}, MODELS)
