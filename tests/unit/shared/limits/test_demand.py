from __future__ import annotations

import asyncio

import pytest

from shared.canonical.priority import Priority
from shared.limits.demand import DemandMeter
from shared.limits.priority_queue import PriorityQueue


def read(
    meter: DemandMeter, now: float, per_second: float = 10.0, queue: PriorityQueue | None = None
) -> dict[Priority, float]:
    return dict(meter.read(queue or PriorityQueue(), per_second, now))


def test_what_was_asked_for_by_the_second_is_a_part_of_the_limit() -> None:
    meter = DemandMeter(now=100.0)
    meter.ask("live", 30)
    meter.ask("live", 10)
    meter.ask("backfill", 5)

    assert read(meter, 102.0) == {"live": 2.0, "repair": 0.0, "backfill": 0.25}


def test_a_time_shorter_than_a_second_counts_as_one() -> None:
    meter = DemandMeter(now=100.0)
    meter.ask("repair", 5)

    assert read(meter, 100.1)["repair"] == 0.5


def test_it_counts_from_the_last_reading() -> None:
    meter = DemandMeter(now=0.0)
    meter.ask("live", 1)
    read(meter, 50.0)
    meter.ask("live", 40)

    assert read(meter, 52.0)["live"] == 2.0


def test_it_fades_and_ends() -> None:
    meter = DemandMeter(now=0.0)
    meter.ask("live", 10)
    seen = [read(meter, float(second))["live"] for second in range(1, 15)]

    assert seen[:3] == pytest.approx([1.0, 0.6, 0.36])
    assert seen[12] == pytest.approx(0.6**12)
    assert seen[13] == 0.0  # 0.6 ** 13 is less than what counts


def test_more_is_wanted_at_once() -> None:
    meter = DemandMeter(now=0.0)
    meter.ask("live", 10)
    read(meter, 1.0)
    meter.ask("live", 7)

    assert read(meter, 2.0)["live"] == 0.7


def test_it_is_quiet_until_something_was_wanted_and_again_when_that_has_faded() -> None:
    meter = DemandMeter(now=0.0)
    assert meter.is_quiet
    meter.ask("backfill", 1)
    assert meter.is_quiet  # who asks tells of it, until the next reading knows
    read(meter, 1.0)
    assert not meter.is_quiet
    for second in range(2, 12):
        read(meter, float(second))
    assert meter.is_quiet


async def test_what_waits_is_wanted_however_little_it_is() -> None:
    meter, queue = DemandMeter(now=0.0), PriorityQueue()
    turn = asyncio.get_running_loop().create_future()
    queue.add("repair", turn, 0.001)

    assert read(meter, 1.0, queue=queue) == pytest.approx({"live": 0.0, "repair": 0.0001, "backfill": 0.0})
    assert not meter.is_quiet
    turn.cancel()
    assert read(meter, 2.0, queue=queue)["repair"] == 0.0


def test_a_reading_is_nobodys_to_change() -> None:
    meter = DemandMeter(now=0.0)
    meter.ask("live", 10)
    read(meter, 1.0)["live"] = 99.0

    assert read(meter, 2.0)["live"] == 0.6
