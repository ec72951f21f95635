"""The screen of `tillbridge status`."""

from __future__ import annotations

import pytest

from services.cli.status import show
from shared.operations.service_health import ServiceFigures, ServiceView
from shared.operations.status import Status
from shared.state.overview import ConnectionState

STATUS = Status(
    services=[
        ServiceView("a", "ready", figures=ServiceFigures(waiting={"shopify/live": 1}, throttled={"shopify": 2})),
        ServiceView(
            "b", "ready", figures=ServiceFigures(waiting={"shopify/live": 2}, breakers={"main/shopify": "open"})
        ),
        ServiceView("c", "down"),
    ],
    connections=[
        ConnectionState("main", 7, 1, 2, 3, 4, drift=2, at_risk="12.50 USD", alerts=5, dead=6),
        ConnectionState("second", 0, 0, 0, 0, 0),
    ],
    reviews={},
    dead_letters={"journal": 1, "poller": 0},
    alerts={"drift": 2},
)


def test_what_the_services_say_is_put_together() -> None:
    told = STATUS.as_json()

    assert told["rate_limits"] == {"waiting": {"shopify/live": 3}, "throttled": {"shopify": 2}}
    assert told["breakers"] == {"main/shopify": "open"}


def test_one_screen_tells_it_all(capsys: pytest.CaptureFixture[str]) -> None:
    show(STATUS, as_json=False)

    out = capsys.readouterr().out
    assert "calls waiting: shopify/live 3; refused by the vendor: shopify 2" in out
    assert "dead letters   journal 1" in out
    assert "open alerts    drift 2" in out
    assert "main/shopify open" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["main", "7", "1", "2", "3", "4", "6", "5", "shopify", "open", "2", "(12.50", "USD)"] in rows
    assert ["second", *"0000000", "closed", "0"] in rows
