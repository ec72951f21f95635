"""`tillbridge status`: the state of the whole, on one screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import aiohttp

from services.cli.drift import plain
from services.cli.figures import COLUMNS, ServiceView, look_at, row
from services.cli.letters import count_letters
from services.cli.overview import ConnectionState, connection_states
from services.cli.place import Place
from shared.errors import TargetDown
from shared.runtime.output import console, print_json, print_table
from shared.state.alerts import Alerts
from shared.state.database import Database
from shared.state.dead_letter_status import DeadLetterStatuses
from shared.state.drift import Drift, DriftLedger
from shared.state.reviews import Reviews


@dataclass(frozen=True, slots=True)
class Status:
    """`dead_letters` is None where the broker's address is not known or it does not answer."""

    services: Sequence[ServiceView]
    connections: Sequence[ConnectionState]
    reviews: Mapping[str, int]
    dead_letters: Mapping[str, int] | None
    alerts: Mapping[str, int] = field(default_factory=dict)
    drift: Sequence[Drift] = ()

    @property
    def breakers(self) -> dict[str, str]:
        """Those that are not closed, by `connection/system`."""
        return {name: state for view in self.services if view.figures for name, state in view.figures.breakers.items()}

    @property
    def waiting(self) -> dict[str, int]:
        """Calls that wait for a vendor's limit, by `system/priority`."""
        return dict(sum((Counter(view.figures.waiting) for view in self.services if view.figures), Counter()))

    @property
    def throttled(self) -> dict[str, int]:
        """Answers that refused us for our rate, since the services began, by system."""
        return dict(sum((Counter(view.figures.throttled) for view in self.services if view.figures), Counter()))

    def as_json(self) -> dict[str, Any]:
        return {
            "services": [asdict(view) for view in self.services],
            "connections": [asdict(connection) for connection in self.connections],
            "open_reviews": dict(self.reviews),
            "dead_letters": self.dead_letters,
            "breakers": self.breakers,
            "budget": {"waiting": self.waiting, "throttled": self.throttled},
            "open_alerts": dict(self.alerts),
            "drift": [plain(row) for row in self.drift],
        }


async def read_status(place: Place) -> Status:
    """Raises TargetDown where the database is away; everything else may be."""
    async with Database.open(place.database_url, 1) as database, aiohttp.ClientSession() as session:
        kinds = Counter(review.kind for review in await Reviews(database).list())
        return Status(
            services=await look_at(session, place.services),
            connections=await connection_states(database),
            reviews=kinds,
            dead_letters=await _letters(place, await DeadLetterStatuses(database).fates()),
            drift=await DriftLedger(database).list(),
            alerts=Counter(alert.kind for alert in await Alerts(database).list()),
        )


async def _letters(place: Place, settled: Collection[str]) -> dict[str, int] | None:
    if not place.bootstrap_servers:
        return None
    try:
        return await count_letters(place.bootstrap_servers, place.topic_prefix, settled)
    except TargetDown:
        return None


def show(status: Status, *, as_json: bool) -> None:
    if as_json:
        print_json(status.as_json())
        return
    print_table(
        "services",
        COLUMNS,
        map(row, status.services),
        empty="services: none known here (STATUS_URLS names them; a local run does by itself)",
    )
    columns = (
        "connection", "orders", "reviews", "parked", "halted", "in doubt", "dead", "alerts", "breakers", "drift",
    )  # fmt: skip
    cells = [_cells(one, status.breakers) for one in status.connections]
    print_table("\nconnections", columns, cells, empty="connections: none yet")
    console().print(f"\nopen reviews   {_counts(status.reviews)}", markup=False)
    drift = ", ".join(
        f"{row.connection}: {row.kind} of {row.key} ({row.at_risk} {row.currency})" for row in status.drift[:5]
    )
    console().print(
        f"drift          {len(status.drift)} open: {drift}" if drift else "drift          none", markup=False
    )
    console().print(f"open alerts    {_counts(status.alerts)}", markup=False)
    letters = "the broker does not tell" if status.dead_letters is None else _counts(status.dead_letters)
    console().print(f"dead letters   {letters}", markup=False)
    breakers = ", ".join(f"{name} {state}" for name, state in sorted(status.breakers.items()))
    console().print(f"breakers       {breakers or 'all closed'}", markup=False)
    waiting, refused = _counts(status.waiting), _counts(status.throttled)
    console().print(f"budget         waiting for a turn: {waiting}; refused for our rate: {refused}", markup=False)


def _cells(state: ConnectionState, breakers: Mapping[str, str]) -> tuple[object, ...]:
    own = [
        f"{name.partition('/')[2]} {how}"
        for name, how in sorted(breakers.items())
        if name.startswith(f"{state.connection}/")
    ]
    drift = f"{state.drift} ({state.at_risk})" if state.at_risk else state.drift
    counts = (state.orders, state.open_reviews, state.parked, state.halted, state.in_doubt, state.dead, state.alerts)
    return (state.connection, *counts, ", ".join(own) or "closed", drift)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if count) or "none"
