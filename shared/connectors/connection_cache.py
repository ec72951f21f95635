"""What both vendors' clients share: one client per connection, its settings, metrics of its calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache, partial
from typing import Generic, Protocol, TypeVar

from shared.definitions.parse import M, read_section
from shared.errors import Misconfigured, RetryLater, TargetDown
from shared.limits.call_context import Observe
from shared.runtime.metrics import ServiceMetrics
from shared.state.connections import Connection, Connections


class Connected(Protocol):
    """A connection with a client of one of its accounts."""

    @property
    def connection(self) -> Connection: ...


C = TypeVar("C", bound=Connected)


class ConnectionCache(ABC, Generic[C]):
    """Clients of one vendor by connection: built on first use, and rebuilt when the connection changes."""

    def __init__(self, connections: Connections, target: str) -> None:
        self._connections = connections
        self._target = target
        self._cached: dict[str, C] = {}

    @abstractmethod
    def _build(self, connection: Connection) -> C:
        """Raises Misconfigured for invalid credentials or settings."""

    def get(self, name: str) -> C:
        """The account of the connection `name`, the same object as long as the connection stays as it is.

        Raises RetryLater for a connection that is not known yet, and TargetDown for one with invalid credentials or
        settings, which must not stop a service that serves other accounts too.
        """
        connection = self._connections.get(name)
        if connection is None:
            raise RetryLater(f"there is no connection {name}")
        cached = self._cached.get(name)
        if cached is None or cached.connection != connection:
            try:
                cached = self._cached[name] = self._build(connection)
            except Misconfigured as error:
                raise _of_connection(connection, error, self._target) from error
        return cached


def section_of(connection: Connection, target: str, entity: str, model: type[M]) -> M:
    """The merchant's settings for an entity at a vendor. Raises TargetDown if they are invalid."""
    try:
        return read_section(connection.settings, f"{target}.{entity}", model)
    except Misconfigured as error:
        raise _of_connection(connection, error, target) from error


def _of_connection(connection: Connection, error: Misconfigured, target: str) -> TargetDown:
    return TargetDown(f"connection {connection.name}: {error.reason}", target=target)


def call_metrics(metrics: ServiceMetrics, target: str) -> Observe:
    """Counts calls to a vendor, and observes how long they take."""
    # Looking a metric up by its labels costs more than incrementing it, so the look-ups are cached.
    calls = cache(partial(metrics.api_calls.labels, target))
    seconds = cache(partial(metrics.api_seconds.labels, target))

    def observe(operation: str, outcome: str, duration: float) -> None:
        calls(operation, outcome).inc()
        seconds(operation).observe(duration)

    return observe
