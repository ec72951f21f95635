"""Which transformers a process runs is a setting that says no to what there is none of."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from deploy.local.services import SERVICES
from services.transformers.settings import Settings
from services.transformers.table import route
from shared.entities.table import transformed
from shared.errors import Misconfigured

ANY: Any = None


@pytest.mark.parametrize("entity", ["", "orders", "order,fulfilment"])
def test_an_entity_there_is_no_transformer_for_is_misconfigured(entity: str) -> None:
    with pytest.raises(Misconfigured, match="TRANSFORMER_ENTITY"):
        route(entity, ANY)


def test_every_transformer_is_started_locally() -> None:
    started = {service.environ["TRANSFORMER_ENTITY"] for service in SERVICES if service.module == "transformers"}

    assert started == {spec.name for spec in transformed()}


@pytest.mark.parametrize("schedule", ["", "soon", "60;300", "60,", "-1"])
def test_a_schedule_is_seconds_between_commas(schedule: str) -> None:
    values: dict[str, Any] = {"kafka_bootstrap_servers": "", "database_url": "", "secret_key": "x"}

    with pytest.raises(ValidationError):
        Settings(**values, park_schedule_seconds=schedule)
