from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shared.messaging.consumer.rebalance_listener import Listener


async def test_what_a_listener_raises_is_remembered() -> None:
    failures: list[BaseException] = []

    def assigned(_: Iterable[Any]) -> None:
        raise ValueError("assigned")

    async def revoked(_: Iterable[Any]) -> None:
        raise ValueError("revoked")

    listener = Listener(assigned, revoked, failures.append)
    listener.on_partitions_assigned([])
    await listener.on_partitions_revoked([])

    assert [str(error) for error in failures] == ["assigned", "revoked"]
