"""A connection's settings are read strictly; each fault is named in one line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.definitions.parse import check_paths, check_settings, read_section
from shared.definitions.paths import sections, setting_paths, with_value
from shared.entities.order.settings import HeartlandOrderSettings
from shared.entities.settings_model import settings_model
from shared.errors import Misconfigured

MODEL = settings_model()
KNOWN = sorted([*setting_paths(MODEL), *sections(MODEL)])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"order_prefx": "W-"}, 'unknown key "order_prefx", did you mean "heartland.order.order_prefix"?'),
        ({"order_prefix": "W-"}, 'unknown key "order_prefix", did you mean "heartland.order.order_prefix"?'),
        ({"Heartland": {}}, 'unknown key "Heartland", did you mean "heartland"?'),
        ({"shopify": {"metafield_namspace": "x"}}, 'did you mean "shopify.metafield_namespace"?'),
        ({"shopify": {"order": {"location_map": {}}}}, 'did you mean "shopify.fulfilment.location_map"?'),
        ({"heartland": {"orders": {}}}, 'unknown key "heartland.orders", did you mean "heartland.order"?'),
        ({"zzz": 1}, 'connection settings: unknown key "zzz"'),
        ({"heartland": {"order": {"station_id": "till"}}}, "heartland.order.station_id: "),
        ({"heartland": {"order": {"can_cancel_order": 7}}}, "heartland.order.can_cancel_order: "),
        ({"heartland": {"order": {"order_id_field": ""}}}, "heartland.order.order_id_field: "),
        ({"heartland": {"read_lag_seconds": float("inf")}}, "heartland.read_lag_seconds: "),
        ({"heartland": {"read_lag_seconds": -1}}, "heartland.read_lag_seconds: "),
        ({"shopify": {"fulfilment": {"location_map": 5}}}, "shopify.fulfilment.location_map: "),
        ({"shopify": 5}, "shopify: "),
    ],
)
def test_a_fault_is_named_in_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        check_settings(settings, MODEL)

    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_fault_is_named() -> None:
    with pytest.raises(Misconfigured, match=r'station_id.*"heartland\.order\.order_prefix"'):
        check_settings({"heartland": {"order": {"order_prefx": "W-", "station_id": "till"}}}, MODEL)


def test_the_defaults_are_good_settings() -> None:
    check_settings({}, MODEL)
    check_settings(MODEL().model_dump(mode="json"), MODEL)


@given(st.text(min_size=1).filter(lambda key: key not in KNOWN))
def test_no_unknown_key_is_let_through(key: str) -> None:
    for settings in ({key: 1}, {"heartland": {key: 1}}, {"shopify": {"order": {key: 1}}}):
        if key in ("heartland", "shopify", "order", "fulfilment") or key in MODEL.model_fields:
            continue
        with pytest.raises(Misconfigured):
            check_settings(settings, MODEL)


@pytest.mark.parametrize("path", KNOWN)
def test_a_letter_too_few_is_told_by_the_right_name(path: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        check_settings(with_value({}, path[:-1], 1), MODEL)

    assert f'did you mean "{path}"' in str(refused.value)


def test_paths_that_are_none_are_named() -> None:
    check_paths(["heartland.order", "heartland.order.tip_sku"], MODEL)
    with pytest.raises(Misconfigured, match=r'"heartland\.order\.tip_skuu", did you mean "heartland\.order\.tip_sku"'):
        check_paths(["heartland.order.tip_skuu"], MODEL)


def test_a_section_is_read_by_itself() -> None:
    settings = {"heartland": {"read_lag_seconds": 1, "order": {"tip_sku": "T"}}}

    assert read_section(settings, "heartland.order", HeartlandOrderSettings).tip_sku == "T"
    assert read_section({}, "heartland.order", HeartlandOrderSettings) == HeartlandOrderSettings()


@pytest.mark.parametrize("settings", [{"heartland": 5}, {"heartland": {"order": 5}}])
def test_a_section_that_is_none_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match=r"connection settings: heartland\.order"):
        read_section(settings, "heartland.order", HeartlandOrderSettings)
