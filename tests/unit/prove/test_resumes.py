from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.prove.history import Struck
from tests.prove.resumes import Work, percentile, resumes

START = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def at(seconds: float) -> float:
    return (START + timedelta(seconds=seconds)).timestamp()


def struck(kind: str, target: str, began: float, healed: float) -> Struck:
    ends = [(START + timedelta(seconds=seconds)).isoformat() for seconds in (began, healed)]
    return Struck(ends[1], kind, target, *ends)


def worked(group: str, **partitions: list[tuple[float, float]]) -> Work:
    """Records of each partition (p0, p1, ...): when they came and when they were done with."""
    work = Work()
    for name, records in partitions.items():
        work.records[group]["topic", int(name[1:])] = [(at(came), at(done)) for came, done in records]
    return work


def found(work: Work, *strikes: Struck) -> list[float]:
    return [round(span, 3) for spans in resumes(strikes, work, until=at(100)).values() for span in spans]


KILL = struck("kill", "heartland-writer-2", 10, 10)


def test_it_is_the_time_to_the_first_record_that_waited() -> None:
    work = worked("heartland_writer", p0=[(5, 6), (8, 14), (9, 12.5), (11, 11.5)])

    assert found(work, KILL) == [2.5]


def test_the_slowest_partition_counts_though_the_other_replica_goes_on() -> None:
    work = worked("heartland_writer", p0=[(9.9, 10.1)], p1=[(9, 17)])

    assert found(work, KILL) == [7]


def test_nothing_is_said_where_nothing_waited() -> None:
    assert found(worked("heartland_writer", p0=[(5, 6), (11, 20)]), KILL) == []
    assert found(worked("shopify_writer", p0=[(5, 20)]), KILL) == []


def test_a_kill_that_did_not_come_about_is_no_fault() -> None:
    assert found(worked("heartland_writer", p0=[(9, 14)]), struck("missed", "heartland-writer", 10, 10)) == []


def test_an_outage_meanwhile_moves_the_beginning_to_its_end() -> None:
    work = worked("heartland_writer", p0=[(9, 43)])

    assert found(work, KILL, struck("outage", "heartland", 11, 40)) == [3, 3]


def test_an_outage_elsewhere_does_not() -> None:
    work = worked("heartland_writer", p0=[(9, 43)])

    assert found(work, KILL, struck("outage", "shopify", 11, 40)) == [33]


def test_work_that_is_done_before_the_broker_is_declared_back_did_not_wait_for_it() -> None:
    work = worked("heartland_writer", p0=[(9, 18)])

    assert found(work, KILL, struck("broker", "broker", 8, 20)) == [0]


@pytest.mark.parametrize(
    ("target", "topic"), [("ingress-2", "raw.shopify.order"), ("poller", "raw.heartland.fulfilment")]
)
def test_behind_a_door_it_is_the_next_record_that_comes_in(target: str, topic: str) -> None:
    work = Work()
    work.arrivals[topic] = [at(9), at(11.5), at(12)]

    assert found(work, struck("kill", target, 10, 10)) == [1.5]


def test_a_door_that_stays_shut_counts_until_the_end() -> None:
    assert found(Work(), struck("kill", "poller", 10, 10)) == [90]


def test_after_the_load_there_may_be_nothing_to_come_in() -> None:
    assert found(Work(), struck("kill", "poller", 101, 101)) == []


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 3), (0.95, 5)])
def test_percentiles_are_values_that_were_there(share: float, value: float) -> None:
    assert percentile([5, 1, 2, 4, 3], share) == value
    assert percentile([], share) == 0
