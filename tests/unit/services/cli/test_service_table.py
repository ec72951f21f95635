"""The row of a service in the tables of `status` and `run`."""

from __future__ import annotations

from services.cli.service_table import COLUMNS, row
from shared.operations.service_health import ServiceFigures, ServiceView


def test_a_service_that_does_not_answer_has_no_figures() -> None:
    assert row(ServiceView("poller", "down")) == ("poller", "down", "", "", "", "", "", "")


def test_figures_stand_under_their_columns() -> None:
    figures = ServiceFigures(came_in=7, went_out=6, failed=1, parked=2, lag=3, lag_seconds=4.4, rss_mb=80.6)
    cells = dict(zip(COLUMNS, row(ServiceView("journal", "unready", "consumer", figures)), strict=True))

    assert cells == {
        "service": "journal", "state": "unready (consumer)", "in": "7", "out": "6", "failed": "1", "parked": "2",
        "lag": "3 (4 s)", "MB": "81",
    }  # fmt: skip
