"""What a run shows, on a terminal and elsewhere."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from rich.console import Console

from services.cli.run_view import LineScreen, LiveScreen, RunView, draw, hints, open_screen
from shared.operations.service_health import ServiceFigures, ServiceView
from shared.state.journal import RecentOrder
from tests.support.messaging import NOON

ORDER = RecentOrder("main", "1", "#1001", "heartland_writer", "applied", NOON, "1", "100001", 0.5)
WAITING = RecentOrder("main", "2", "", "ingress", "received", NOON + timedelta(seconds=1), "2", "", None)
SERVICE = ServiceView("journal", "ready", "", ServiceFigures(came_in=7, went_out=6, failed=1, lag=3, lag_seconds=2))
VIEW = RunView([WAITING, ORDER], [SERVICE, ServiceView("sandbox", "down")], "first day: 2 of 12", ["try x"])


def a_console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=terminal, width=120, color_system=None), out


def test_the_view_has_orders_services_and_where_to_look() -> None:
    console, out = a_console(terminal=False)
    console.print(draw(VIEW))

    text = out.getvalue()
    for part in ("#1001", "100001", "heartland_writer applied", "0.50", "journal", "3 (2 s)", "down", "try x"):
        assert part in text


def test_lines_tell_only_what_is_new() -> None:
    console, out = a_console(terminal=False)
    screen = open_screen(console)
    screen.show(VIEW)
    first = out.getvalue()
    screen.show(VIEW)

    assert isinstance(screen, LineScreen)
    assert out.getvalue() == first
    assert first.index("order #1001: Shopify 1, Heartland 100001, heartland_writer applied, 0.50 s") < first.index(
        "order ?: Shopify 2, not in Heartland yet, ingress received"
    )


def test_a_terminal_gets_a_live_screen() -> None:
    console, out = a_console(terminal=True)
    screen = open_screen(console)
    screen.show(VIEW)
    screen.close()

    assert isinstance(screen, LiveScreen)
    assert "#1001" in out.getvalue()


@pytest.mark.parametrize(("sandbox", "shown"), [("http://s", True), (None, False)])
def test_hints_name_the_sandbox_only_where_there_is_one(sandbox: str | None, shown: bool) -> None:
    lines = hints("http://i", sandbox, "http://i/webhooks/shopify/main", {"logs": "build/logs"})

    assert any(line.startswith("sandbox") for line in lines) is shown
    assert "POST http://i/webhooks/shopify/main" in lines[0]
