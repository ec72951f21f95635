from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.prove.history import Struck
from tests.prove.resumes import percentile, resumes

START = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def struck(kind: str, target: str, began: float, healed: float) -> Struck:
    return Struck(at(healed).isoformat(), kind, target, at(began).isoformat(), at(healed).isoformat())


def found(*strikes: Struck, heartland: tuple[float, ...] = (), shopify: tuple[float, ...] = ()) -> list[float]:
    writes = {"heartland": [at(one) for one in heartland], "shopify": [at(one) for one in shopify]}
    return resumes(strikes, writes, until=at(100))


def test_it_is_the_time_from_the_end_of_a_fault_to_the_next_write_behind_it() -> None:
    kill = struck("kill", "heartland-writer-2", 10, 10)

    assert found(kill, heartland=(5, 9, 12.5, 13), shopify=(10.1,)) == [2.5]


def test_a_fault_of_both_sides_counts_on_both() -> None:
    assert found(struck("broker", "broker", 10, 14), heartland=(16,), shopify=(15,)) == [2, 1]


def test_an_outage_meanwhile_moves_the_beginning_to_its_end() -> None:
    kill, outage = struck("kill", "ingress", 10, 10), struck("outage", "heartland", 11, 40)

    assert found(kill, outage, heartland=(43,), shopify=(41,)) == [3, 3, 1]


def test_a_cut_that_the_other_side_alone_feels_does_not() -> None:
    kill, cut = struck("kill", "poller", 10, 10), struck("cut", "webhooks", 11, 40)

    assert found(kill, cut, heartland=(43,), shopify=(12,)) == [2, 3]


def test_work_that_never_resumes_counts_until_the_end() -> None:
    assert found(struck("kill", "poller", 10, 10), shopify=(9,)) == [90]


def test_after_the_load_there_may_be_nothing_to_do() -> None:
    assert found(struck("kill", "poller", 101, 101)) == []


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 3), (0.95, 5)])
def test_percentiles_are_values_that_were_there(share: float, value: float) -> None:
    assert percentile([5, 1, 2, 4, 3], share) == value
    assert percentile([], share) == 0
