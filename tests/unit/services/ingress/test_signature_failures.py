"""Bad signatures: alarming for a connection, and a reason to bar an address that never sends a good one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict

from services.ingress.request import sender_of
from services.ingress.signature_alert import alert_of
from services.ingress.signature_failures import AlertChange, FailureAlert, SenderThrottle
from tests.support.clock import FakeClock
from tests.support.ingress import RunningIngress, an_ingress, signed

BODY = b'{"id":450789469}'
PATH = "/webhooks/shopify/main"
FORGED = signed(BODY, "somebody else's secret")


@pytest.fixture
async def place() -> AsyncIterator[RunningIngress]:
    async with an_ingress(
        ingress_failures_per_minute=3, ingress_proxies=1, signature_alert_count=5, signature_alert_seconds=60
    ) as served:
        yield served


async def post(place: RunningIngress, headers: dict[str, str], sender: str = "203.0.113.7") -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(place.url + PATH, data=BODY, headers={**headers, "X-Forwarded-For": sender}) as response,
    ):
        return response.status


async def test_an_address_that_only_forges_is_barred_and_no_other(place: RunningIngress) -> None:
    answers = [await post(place, FORGED) for _ in range(5)]

    assert answers == [401, 401, 401, 429, 429]
    assert await post(place, signed(BODY), "203.0.113.8") == 200
    assert place.rejections() == {"bad_signature": 3, "too_many_failures": 2}


async def test_it_may_try_again_as_time_passes(place: RunningIngress) -> None:
    answers = [await post(place, FORGED) for _ in range(4)]
    place.clock.advance(20)

    assert answers[-1] == 429
    assert await post(place, FORGED) == 401
    assert await post(place, FORGED) == 429


async def test_a_proxy_through_which_good_ones_come_is_never_barred(place: RunningIngress) -> None:
    await post(place, signed(BODY))
    answers = {await post(place, FORGED) for _ in range(10)}

    assert answers == {401}
    assert await post(place, signed(BODY)) == 200


async def test_what_a_sender_writes_into_the_header_himself_does_not_count(place: RunningIngress) -> None:
    answers = [await post(place, FORGED, f"198.51.100.{n}, 203.0.113.7") for n in range(4)]

    assert answers[-1] == 429


@pytest.mark.parametrize(
    ("lines", "proxies", "sender"),
    [
        (["198.51.100.1", "203.0.113.7"], 1, "203.0.113.7"),
        (["198.51.100.1, 203.0.113.7", "10.0.0.1"], 2, "203.0.113.7"),
        (["203.0.113.7"], 2, "192.0.2.7"),
        ([], 1, "192.0.2.7"),
        (["203.0.113.7"], 0, "192.0.2.7"),
    ],
    ids=["a line of the proxy's own", "two proxies", "fewer than there are proxies", "none", "no proxy is named"],
)
def test_the_address_is_what_our_own_proxy_has_seen(lines: list[str], proxies: int, sender: str) -> None:
    headers = CIMultiDict([("X-Forwarded-For", line) for line in lines])
    request: Any = SimpleNamespace(headers=headers, remote="192.0.2.7")

    assert sender_of(request, proxies) == sender


async def test_many_bad_ones_within_a_minute_are_one_alert_that_ends_with_quiet(place: RunningIngress) -> None:
    for n in range(8):
        await post(place, FORGED, f"203.0.113.{n}")
    place.signature_failures.resolve_quiet()
    place.clock.advance(61)
    place.signature_failures.resolve_quiet()
    raised = list(place.broker.changes)
    await post(place, signed(BODY))
    place.signature_failures.resolve_quiet()

    assert raised == [AlertChange("main", 5, is_resolved=False)]
    assert place.broker.changes[1:] == [AlertChange("main", 8, is_resolved=True)]


async def test_good_ones_raise_nothing_and_the_first_ends_what_an_earlier_process_left(place: RunningIngress) -> None:
    for _ in range(10):
        await post(place, signed(BODY))

    assert place.broker.changes == [AlertChange("main", 0, is_resolved=True)]


def test_few_among_good_ones_are_no_alert() -> None:
    alert = FailureAlert(5, 60.0)
    for now in range(50):
        assert alert.add("main", now * 20.0) is None
        alert.verified("main")


def test_slow_ones_without_a_good_one_between_are_an_alert_until_one_comes() -> None:
    """A wrong secret in a small shop: a webhook every ten minutes, each refused."""
    alert = FailureAlert(5, 60.0)
    changes = []
    for now in range(0, 6000, 600):
        changes += [alert.add("main", float(now)), *alert.resolve_quiet(now + 300.0)]
    assert [change.failures for change in changes if change] == [5, 6, 7, 8, 9, 10]

    assert alert.verified("main") is None
    assert alert.resolve_quiet(6000.0) == [AlertChange("main", 10, is_resolved=True)]


def test_forgers_of_a_connection_without_any_good_one_are_forgotten_after_a_day() -> None:
    alert = FailureAlert(2, 60.0)
    assert alert.add("main", 0.0) is None
    assert alert.add("main", 1.0) is not None

    assert alert.resolve_quiet(86_400.0) == []
    assert alert.resolve_quiet(86_402.0) == [AlertChange("main", 2, is_resolved=True)]


def test_an_alert_that_goes_on_is_told_again_and_after_the_quiet_may_begin_anew() -> None:
    alert = FailureAlert(2, 60.0)
    first = [alert.add("main", now) for now in (0.0, 1.0, 2.0, 61.0)]
    alert.verified("main")
    over = alert.resolve_quiet(130.0)
    again = [alert.add("main", now) for now in (200.0, 201.0)]

    assert first == [None, AlertChange("main", 2, is_resolved=False), None, AlertChange("main", 4, is_resolved=False)]
    assert over == [AlertChange("main", 4, is_resolved=True)]
    assert again == [None, AlertChange("main", 2, is_resolved=False)]


def test_memory_is_bounded_whatever_addresses_a_forger_has() -> None:
    addresses = SenderThrottle(60.0)
    for n in range(30_000):
        addresses.failed(f"2001:db8::{n:x}", 0.0)
        addresses.verified(f"2001:db8:1::{n:x}")

    assert len(addresses) == 20_000


def test_without_a_limit_nobody_is_barred() -> None:
    addresses = SenderThrottle(0)
    for _ in range(100):
        addresses.failed("203.0.113.7", 0.0)

    assert not addresses.is_throttled("203.0.113.7", 0.0)


def test_the_alert_names_the_connection_and_no_address() -> None:
    alert = alert_of(AlertChange("main", 10, is_resolved=False), 60.0, FakeClock().now())

    assert (alert.kind, alert.connection, alert.details, alert.resolved) == (
        "signature_failures",
        "main",
        {"failures": "10"},
        False,
    )
    assert alert_of(AlertChange("main", 12, is_resolved=True), 60.0, FakeClock().now()).resolved
