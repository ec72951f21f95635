from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.prove.history import InjectedFault
from tests.prove.recovery import ProcessingTimes, percentile, recoveries, recovery_times

START = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def at(seconds: float) -> float:
    return (START + timedelta(seconds=seconds)).timestamp()


def fault(kind: str, target: str, began: float, healed: float) -> InjectedFault:
    ends = [(START + timedelta(seconds=seconds)).isoformat() for seconds in (began, healed)]
    return InjectedFault(ends[1], kind, target, *ends)


def processed(group: str, **partitions: list[tuple[float, float]]) -> ProcessingTimes:
    """Records of each partition (p0, p1, ...): arrival and completion."""
    times = ProcessingTimes()
    for name, records in partitions.items():
        times.records[group]["topic", int(name[1:])] = [(at(arrived), at(finished)) for arrived, finished in records]
    return times


def found(times: ProcessingTimes, *faults: InjectedFault) -> list[float]:
    return [round(span, 3) for spans in recovery_times(faults, times, until=at(100)).values() for span in spans]


KILL = fault("kill", "heartland-writer-2", 10, 10)


def test_recovery_ends_with_the_first_record_that_was_waiting() -> None:
    times = processed("heartland_writer", p0=[(5, 6), (8, 14), (9, 12.5), (11, 11.5)])

    assert found(times, KILL) == [2.5]


def test_the_slowest_partition_counts_although_the_other_replica_continues() -> None:
    times = processed("heartland_writer", p0=[(9.9, 10.1)], p1=[(9, 17)])

    assert found(times, KILL) == [7]


def test_nothing_is_measured_if_nothing_was_waiting() -> None:
    assert found(processed("heartland_writer", p0=[(5, 6), (11, 20)]), KILL) == []
    assert found(processed("shopify_writer", p0=[(5, 20)]), KILL) == []


def test_a_missed_kill_is_not_measured() -> None:
    assert found(processed("heartland_writer", p0=[(9, 14)]), fault("missed", "heartland-writer", 10, 10)) == []


def test_measurement_begins_at_the_end_of_a_concurrent_outage() -> None:
    times = processed("heartland_writer", p0=[(9, 43)])

    assert found(times, KILL, fault("outage", "heartland", 11, 40)) == [3, 3]


def test_an_outage_of_another_vendor_is_ignored() -> None:
    times = processed("heartland_writer", p0=[(9, 43)])

    assert found(times, KILL, fault("outage", "shopify", 11, 40)) == [33]


def test_recovery_is_zero_if_work_resumes_before_the_fault_is_declared_over() -> None:
    times = processed("heartland_writer", p0=[(9, 18)])

    assert found(times, KILL, fault("broker", "broker", 8, 20)) == [0]


@pytest.mark.parametrize(
    ("target", "topic"), [("ingress-2", "raw.shopify.order"), ("poller", "raw.heartland.fulfilment")]
)
def test_an_entry_point_recovers_with_the_next_arriving_record(target: str, topic: str) -> None:
    times = ProcessingTimes()
    times.arrivals[topic] = [at(9), at(11.5), at(12)]

    assert found(times, fault("kill", target, 10, 10)) == [1.5]


def test_an_entry_point_that_never_recovers_counts_until_the_end() -> None:
    assert found(ProcessingTimes(), fault("kill", "poller", 10, 10)) == [90]


def test_faults_after_the_load_are_not_measured() -> None:
    assert found(ProcessingTimes(), fault("kill", "poller", 101, 101)) == []


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 3), (0.95, 5)])
def test_percentiles_are_observed_values(share: float, value: float) -> None:
    assert percentile([5, 1, 2, 4, 3], share) == value
    assert percentile([], share) == 0


@pytest.mark.parametrize(
    ("other", "overlapped"),
    [
        pytest.param(("error_before", "heartland", 5, 12), True, id="errors of its vendor go on"),
        pytest.param(("slow", "broker", 13, 30), True, id="a slow broker before it resumed"),
        pytest.param(("kill", "heartland-writer", 11, 11), True, id="its replica killed"),
        pytest.param(("error_before", "heartland", 2, 9), False, id="over before"),
        pytest.param(("error_before", "heartland", 15, 20), False, id="after it resumed"),
        pytest.param(("error_before", "shopify", 5, 20), False, id="of another vendor"),
    ],
)
def test_a_recovery_that_another_fault_hindered_is_told_apart(
    other: tuple[str, str, float, float], overlapped: bool
) -> None:
    times = processed("heartland_writer", p0=[(9, 14)])

    [recovery] = [one for one in recoveries([KILL, fault(*other)], times, at(100)) if one.fault == KILL]

    assert (round(recovery.seconds, 3), recovery.overlapped) == (4, overlapped)
