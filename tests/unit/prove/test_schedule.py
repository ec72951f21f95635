from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from tests.prove.schedule import FAULT_KINDS, ROUND_SECONDS, TEN_MINUTES, PlannedFault, schedule

SERVICES = {name: [name, f"{name}-2"] for name in ("ingress", "poller", "heartland-writer", "journal")}


def faults(
    seed: int = 7, seconds: float = TEN_MINUTES, kinds: tuple[str, ...] = tuple(FAULT_KINDS)
) -> list[PlannedFault]:
    return schedule(Random(seed), seconds, kinds, SERVICES)


@pytest.mark.parametrize("seed", range(20))
def test_every_service_is_killed_five_times_in_ten_minutes_and_every_kind_occurs(seed: int) -> None:
    planned = faults(seed)
    kills = Counter(fault.target.removesuffix("-2") for fault in planned if fault.kind == "kill")

    assert {fault.kind for fault in planned} == set(FAULT_KINDS)
    assert all(kills[service] >= 5 for service in SERVICES)


@pytest.mark.parametrize("seconds", [60.0, 180.0])
def test_a_short_run_has_every_kind_and_kills_every_service(seconds: float) -> None:
    planned = faults(seconds=seconds)
    killed = {fault.target.removesuffix("-2") for fault in planned if fault.kind == "kill"}

    assert {fault.kind for fault in planned} == set(FAULT_KINDS)
    assert killed == set(SERVICES)
    assert all(0 <= fault.at < seconds for fault in planned)


def test_a_seed_determines_the_schedule() -> None:
    assert faults(1) == faults(1)
    assert faults(1) != faults(2)


def test_both_replicas_are_killed() -> None:
    assert {fault.target for fault in faults() if fault.kind == "kill"} == {
        process for processes in SERVICES.values() for process in processes
    }


def test_each_round_ends_with_a_quiet_period_without_active_faults() -> None:
    long_ones = ("stop", "outage")
    ends = [(s.at % ROUND_SECONDS + s.seconds) for s in faults() if s.kind not in long_ones]

    assert max(ends) <= ROUND_SECONDS - 9.0


def test_a_stopped_process_outlasts_its_session_timeout() -> None:
    assert all(fault.seconds >= 9 for fault in faults() if fault.kind == "stop")


def test_an_outage_takes_a_tenth_of_the_run() -> None:
    assert [fault.seconds for fault in faults() if fault.kind == "outage"] == [60.0]
    assert [round(fault.seconds) for fault in faults(seconds=180) if fault.kind == "outage"] == [18]


def test_only_the_selected_kinds_are_scheduled() -> None:
    assert {fault.kind for fault in faults(kinds=("kill", "broker"))} == {"kill", "broker"}
    assert faults(kinds=()) == []
