"""Which transformers a process runs is a setting that says no to what there is none of."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from services.transformers.settings import Settings
from services.transformers.table import TABLE, routes
from shared.errors import Misconfigured

ANY: Any = None


@pytest.mark.parametrize("entities", ["", " , ", "orders", "order,sale"])
def test_an_entity_there_is_no_transformer_for_is_misconfigured(entities: str) -> None:
    with pytest.raises(Misconfigured, match="TRANSFORMER_ENTITIES"):
        routes(entities, ANY)


def test_the_default_runs_every_transformer() -> None:
    assert set(Settings.model_fields["transformer_entities"].default.split(",")) == set(TABLE)


@pytest.mark.parametrize("schedule", ["", "soon", "60;300", "60,", "-1"])
def test_a_schedule_is_seconds_between_commas(schedule: str) -> None:
    values: dict[str, Any] = {"kafka_bootstrap_servers": "", "database_url": "", "secret_key": "x"}

    with pytest.raises(ValidationError):
        Settings(**values, park_schedule_seconds=schedule)
