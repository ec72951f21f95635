"""The state of the system: services, connections, reviews, dead letters, alerts, drift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import aiohttp

from shared.entities.order.spec import ORDER
from shared.errors import TargetDown
from shared.operations.dead_letters.count import count_dead_letters
from shared.operations.service_health import ServiceView, read_health
from shared.state.alerts import Alerts
from shared.state.database import Database
from shared.state.dead_letter_status import DeadLetterStatuses
from shared.state.drift import Drift, DriftLedger
from shared.state.overview import ConnectionState, connection_states
from shared.state.reviews import Reviews


@dataclass(frozen=True, slots=True)
class Status:
    """`dead_letters` is None if Kafka's address is not known or Kafka does not answer."""

    services: Sequence[ServiceView]
    connections: Sequence[ConnectionState]
    reviews: Mapping[str, int]
    dead_letters: Mapping[str, int] | None
    alerts: Mapping[str, int] = field(default_factory=dict)
    drift: Sequence[Drift] = ()

    @property
    def breakers(self) -> dict[str, str]:
        """Circuit breakers that are not closed, by `connection/system`."""
        return {name: state for view in self.services if view.figures for name, state in view.figures.breakers.items()}

    @property
    def waiting(self) -> dict[str, int]:
        """Calls that wait for a vendor's rate limit, by `system/priority`."""
        return dict(sum((Counter(view.figures.waiting) for view in self.services if view.figures), Counter()))

    @property
    def throttled(self) -> dict[str, int]:
        """Calls that a vendor refused for exceeding its rate limit, since the services started, by system."""
        return dict(sum((Counter(view.figures.throttled) for view in self.services if view.figures), Counter()))

    def as_json(self) -> dict[str, Any]:
        return {
            "services": [asdict(view) for view in self.services],
            "connections": [asdict(connection) for connection in self.connections],
            "open_reviews": dict(self.reviews),
            "dead_letters": self.dead_letters,
            "breakers": self.breakers,
            "rate_limits": {"waiting": self.waiting, "throttled": self.throttled},
            "open_alerts": dict(self.alerts),
            "drift": [{**asdict(row), "at_risk": str(row.at_risk)} for row in self.drift],
        }


async def read_status(
    database: Database,
    services: Sequence[Mapping[str, Any]],
    bootstrap_servers: str = "",
    topic_prefix: str = "",
) -> Status:
    """The state of the system; `services` has each one's addresses. Raises TargetDown without a database.

    A service that does not answer is down; what Kafka does not answer is unknown.
    """
    async with aiohttp.ClientSession() as session:
        kinds = Counter(review.kind for review in await Reviews(database).list())
        return Status(
            services=await read_health(session, services),
            connections=await connection_states(database, ORDER.name),
            reviews=kinds,
            dead_letters=await _dead_letters(
                bootstrap_servers, topic_prefix, await DeadLetterStatuses(database).fates()
            ),
            drift=await DriftLedger(database).list(),
            alerts=Counter(alert.kind for alert in await Alerts(database).list()),
        )


async def _dead_letters(bootstrap_servers: str, topic_prefix: str, settled: Collection[str]) -> dict[str, int] | None:
    if not bootstrap_servers:
        return None
    try:
        return await count_dead_letters(bootstrap_servers, topic_prefix, settled)
    except TargetDown:
        return None
