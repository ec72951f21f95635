from __future__ import annotations

import pytest

from shared.errors import Misconfigured
from tests.prove.__main__ import plan_from
from tests.prove.schedule import KINDS


def test_without_wishes_a_run_takes_ten_minutes_and_has_everything() -> None:
    plan = plan_from({})

    assert (plan.seed, plan.minutes, plan.orders) == (7, 10, 2000)
    assert set(plan.faults) == {*KINDS, "webhooks"}


def test_seed_length_and_faults_are_as_asked_for() -> None:
    plan = plan_from({"SEED": "3", "MINUTES": "0.5", "FAULTS": "kill, stop"})

    assert (plan.seed, plan.seconds, plan.orders, plan.faults) == (3, 30, 100, ["kill", "stop"])


def test_no_faults_at_all_can_be_asked_for() -> None:
    assert plan_from({"FAULTS": "none"}).faults == []


@pytest.mark.parametrize("wrong", [{"FAULTS": "kil"}, {"SEED": "x"}, {"MINUTES": "ten"}])
def test_what_cannot_be_meant_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(Misconfigured):
        plan_from(wrong)
