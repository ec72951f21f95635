from __future__ import annotations

import pytest

from shared.errors import Misconfigured
from tests.prove.__main__ import config_from
from tests.prove.schedule import FAULT_KINDS


def test_by_default_a_run_takes_ten_minutes_and_has_every_fault() -> None:
    config = config_from({})

    assert (config.seed, config.minutes, config.orders) == (7, 10, 2000)
    assert set(config.faults) == {*FAULT_KINDS, "webhooks"}


def test_seed_minutes_and_faults_can_be_set() -> None:
    config = config_from({"SEED": "3", "MINUTES": "0.5", "FAULTS": "kill, stop"})

    assert (config.seed, config.seconds, config.orders, config.faults) == (3, 30, 100, ["kill", "stop"])


def test_faults_can_be_switched_off() -> None:
    assert config_from({"FAULTS": "none"}).faults == []


@pytest.mark.parametrize("wrong", [{"FAULTS": "kil"}, {"SEED": "x"}, {"MINUTES": "ten"}])
def test_malformed_values_are_rejected(wrong: dict[str, str]) -> None:
    with pytest.raises(Misconfigured):
        config_from(wrong)
