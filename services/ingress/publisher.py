"""Publishes notices to their raw topics; rejects them if the broker does not acknowledge in time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from services.ingress.notice import WebhookNotice
from services.ingress.rejection import BROKER_DOWN, OVERLOADED, TOO_LARGE, WebhookRejected
from shared.errors import Rejected, TargetDown
from shared.messaging.envelope import Headers
from shared.messaging.topics import Topic, topic_name
from shared.runtime.metrics import ServiceMetrics


class RawSender(Protocol):
    """The part of Producer used here.

    It returns once all in-sync replicas have the record. Raises TargetDown if they do not, Rejected if it is too large.
    """

    async def send_raw(
        self, name: str, key: bytes | None, value: bytes | None, headers: Headers, timeout_seconds: float | None = None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class _TopicRoute:
    """The name of a topic on the broker, and its counters."""

    name: str
    count_in: Callable[[], None]
    count_out: Callable[[], None]


class Publisher:
    """Publishes notices to their raw topics.

    `max_waiting_bytes` limits what is held in memory while the broker is slow or down.
    """

    def __init__(
        self,
        sender: RawSender,
        metrics: ServiceMetrics,
        prefix: str,
        topics: Iterable[Topic],
        *,
        timeout_seconds: float,
        max_waiting_bytes: int,
    ) -> None:
        self._sender = sender
        self._timeout = timeout_seconds
        self._free_bytes = max_waiting_bytes
        self._routes = {
            topic: _TopicRoute(
                topic_name(prefix, topic),
                metrics.events_in.labels(_entity(topic.name)).inc,
                metrics.events_out.labels(_entity(topic.name)).inc,
            )
            for topic in topics
        }

    async def publish(self, notice: WebhookNotice) -> None:
        """Return once the broker has acknowledged the notice. Raises WebhookRejected."""
        route, size = self._routes[notice.template.topic], len(notice.body)
        route.count_in()
        if size > self._free_bytes:
            raise WebhookRejected(OVERLOADED)
        self._free_bytes -= size
        try:
            await self._sender.send_raw(route.name, notice.key, notice.body, notice.headers, self._timeout)
        except TargetDown:
            raise WebhookRejected(BROKER_DOWN) from None
        except Rejected:
            raise WebhookRejected(TOO_LARGE) from None
        finally:
            self._free_bytes += size
        route.count_out()


def _entity(topic: str) -> str:
    return topic.rsplit(".", 1)[1]
