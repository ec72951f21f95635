from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import chain, count, repeat
from pathlib import Path

import pytest

from deploy.local.ports import HIGHEST, LOWEST, Ports
from shared.errors import Misconfigured


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_two_runs_never_reserve_the_same_port(tmp_path: Path) -> None:
    first, second = count(25_000), count(25_000)
    with Ports(tmp_path, lambda: next(first)) as one, Ports(tmp_path, lambda: next(second)) as other:
        mine = {one.reserve() for _ in range(5)}
        theirs = {other.reserve() for _ in range(5)}

        assert not mine & theirs


def test_a_port_that_somebody_listens_on_is_passed_over(tmp_path: Path, listening: int) -> None:
    choice = chain([listening], count(26_000))
    with Ports(tmp_path, lambda: next(choice)) as ports:
        assert ports.reserve() >= 26_000


def test_a_closed_reservation_is_free_again(tmp_path: Path) -> None:
    chosen = count(27_000)
    with Ports(tmp_path, lambda: next(chosen)) as ports:
        port = ports.reserve()

    with Ports(tmp_path, lambda: port) as later:
        assert later.reserve() == port


def test_without_a_free_port_the_message_says_what_to_do(tmp_path: Path, listening: int) -> None:
    same = repeat(listening)
    with Ports(tmp_path, lambda: next(same)) as ports, pytest.raises(Misconfigured, match="no free port"):
        ports.reserve()


def test_ports_are_outside_the_range_of_outgoing_connections(tmp_path: Path) -> None:
    with Ports(tmp_path) as ports:
        assert LOWEST <= ports.reserve() <= HIGHEST < 32_768
