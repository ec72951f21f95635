from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from tests.prove.schedule import KINDS, ROUND_SECONDS, TEN_MINUTES, Strike, schedule

SERVICES = {name: [name, f"{name}-2"] for name in ("ingress", "poller", "heartland-writer", "journal")}


def strikes(seed: int = 7, seconds: float = TEN_MINUTES, kinds: tuple[str, ...] = tuple(KINDS)) -> list[Strike]:
    return schedule(Random(seed), seconds, kinds, SERVICES)


@pytest.mark.parametrize("seed", range(20))
def test_every_service_is_killed_five_times_in_ten_minutes_and_no_kind_is_left_out(seed: int) -> None:
    planned = strikes(seed)
    kills = Counter(strike.target.removesuffix("-2") for strike in planned if strike.kind == "kill")

    assert {strike.kind for strike in planned} == set(KINDS)
    assert all(kills[service] >= 5 for service in SERVICES)


@pytest.mark.parametrize("seconds", [60.0, 180.0])
def test_a_short_run_has_every_kind_and_kills_every_service(seconds: float) -> None:
    planned = strikes(seconds=seconds)
    killed = {strike.target.removesuffix("-2") for strike in planned if strike.kind == "kill"}

    assert {strike.kind for strike in planned} == set(KINDS)
    assert killed == set(SERVICES)
    assert all(0 <= strike.at < seconds for strike in planned)


def test_the_same_seed_is_the_same_schedule_and_another_seed_another() -> None:
    assert strikes(1) == strikes(1)
    assert strikes(1) != strikes(2)


def test_both_replicas_are_killed() -> None:
    assert {strike.target for strike in strikes() if strike.kind == "kill"} == {
        process for processes in SERVICES.values() for process in processes
    }


def test_each_round_ends_with_a_breath_in_which_nothing_begins_or_still_strikes() -> None:
    long_ones = ("stop", "outage")
    ends = [(s.at % ROUND_SECONDS + s.seconds) for s in strikes() if s.kind not in long_ones]

    assert max(ends) <= ROUND_SECONDS - 9.0


def test_a_stopped_process_sleeps_for_longer_than_its_session() -> None:
    assert all(strike.seconds >= 9 for strike in strikes() if strike.kind == "stop")


def test_a_full_outage_takes_a_minute_in_ten() -> None:
    assert [strike.seconds for strike in strikes() if strike.kind == "outage"] == [60.0]
    assert [round(strike.seconds) for strike in strikes(seconds=180) if strike.kind == "outage"] == [18]


def test_only_what_was_asked_for_strikes() -> None:
    assert {strike.kind for strike in strikes(kinds=("kill", "broker"))} == {"kill", "broker"}
    assert strikes(kinds=()) == []
