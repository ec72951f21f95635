"""Which versions of the settings concern which records, and what publishing changes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.definitions.paths import Change
from shared.entities.settings_model import settings_model
from shared.entities.table import ENTITIES
from shared.operations.definitions import differences, rewritable, same_for
from shared.state.definitions import DefinitionsVersion

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def version(number: int, settings: dict[str, Any]) -> DefinitionsVersion:
    return DefinitionsVersion(number, settings, "jo", "x", NOON)


@pytest.mark.parametrize(
    ("settings", "is_same"),
    [
        ({"heartland": {"order": {"order_prefix": "S-"}}}, True),  # the default, spelled out
        ({"heartland": {"order": {"order_prefix": "W-"}}}, False),
        ({"shopify": {"metafield_namespace": "bridge"}}, False),
        ({"heartland": {"read_lag_seconds": 3, "empty_refusals": True}}, True),
        ({"heartland": {"order": {"unique_order_public_id": False}}}, True),
        ({"shopify": {"fulfilment": {"notify_customer": True}}}, True),
        ({"shopify": {"fulfilment": {"notify_customer": True}, "order": {"read_back": False}}}, False),
    ],
)
def test_only_settings_count_that_change_what_is_written_of_the_entity(settings: dict[str, Any], is_same: bool) -> None:
    in_use = version(2, settings)

    assert same_for("order", in_use, [in_use, version(1, {})], settings_model()) == ([2, 1] if is_same else [2])


def test_only_targets_are_rewritten_that_the_records_own_events_are_written_to() -> None:
    """The link, which Shopify's writer takes, has no versions under the order."""
    assert [(spec.name, target) for spec, target in rewritable(ENTITIES)] == [("order", "heartland")]


def test_an_unknown_stored_key_that_goes_is_a_difference() -> None:
    before = {"heartland": {"order": {"old_key": 1}}}

    assert differences(before, {}, settings_model()) == [Change("heartland.order.old_key", 1, None)]
    assert differences(before, before, settings_model()) == []
