"""Rebalance listener. The client library only logs what a listener raises; here it is passed on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from aiokafka import ConsumerRebalanceListener, TopicPartition


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Passes rebalances to two functions, and their exceptions to a third."""

    def __init__(
        self,
        assigned: Callable[[Iterable[TopicPartition]], None],
        revoked: Callable[[Iterable[TopicPartition]], Awaitable[None]],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._assigned = assigned
        self._revoked = revoked
        self._failed = failed

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        try:
            self._assigned(assigned)
        except Exception as error:
            self._failed(error)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        try:
            await self._revoked(revoked)
        except Exception as error:
            self._failed(error)
