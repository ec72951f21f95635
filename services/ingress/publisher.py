"""Puts notices into their raw topics, or says within seconds that it cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from services.ingress.notice import Notice
from services.ingress.refusal import BROKER_DOWN, OVERLOADED, TOO_LARGE, Refused
from shared.errors import Rejected, TargetDown
from shared.messaging.envelope import Headers
from shared.messaging.topics import Topic, topic_name
from shared.runtime.metrics import ServiceMetrics


class Sender(Protocol):
    """What is used of the producer: returns when every in-sync replica has the record, else raises TargetDown."""

    async def send_raw(
        self, name: str, key: bytes | None, value: bytes | None, headers: Headers, timeout_seconds: float | None = None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class _Road:
    """One topic, with its name on the broker and its counters."""

    name: str
    came_in: Callable[[], None]
    went_out: Callable[[], None]


class Publisher:
    """`max_waiting_bytes` bounds what is held in memory while the broker is slow or away."""

    def __init__(
        self,
        sender: Sender,
        metrics: ServiceMetrics,
        prefix: str,
        topics: Iterable[Topic],
        *,
        timeout_seconds: float,
        max_waiting_bytes: int,
    ) -> None:
        self._sender = sender
        self._timeout = timeout_seconds
        self._room = max_waiting_bytes
        self._roads = {
            topic: _Road(
                topic_name(prefix, topic),
                metrics.events_in.labels(_entity(topic.name)).inc,
                metrics.events_out.labels(_entity(topic.name)).inc,
            )
            for topic in topics
        }

    async def publish(self, notice: Notice) -> None:
        """Returns once the broker has it for good. Raises Refused."""
        road, size = self._roads[notice.kind.topic], len(notice.body)
        road.came_in()
        if size > self._room:
            raise Refused(OVERLOADED)
        self._room -= size
        try:
            await self._sender.send_raw(road.name, notice.key, notice.body, notice.headers, self._timeout)
        except TargetDown:
            raise Refused(BROKER_DOWN) from None
        except Rejected:
            raise Refused(TOO_LARGE) from None
        finally:
            self._room += size
        road.went_out()


def _entity(topic: str) -> str:
    return topic.rsplit(".", 1)[1]
