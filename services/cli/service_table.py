"""The table of services, for `tillbridge status` and `tillbridge run`."""

from __future__ import annotations

from collections.abc import Sequence

from shared.operations.service_health import ServiceView

COLUMNS = ("service", "state", "in", "out", "failed", "parked", "lag", "MB")


def row(view: ServiceView) -> Sequence[str]:
    """The service as a row of the table."""
    state = f"{view.state} ({view.why})" if view.why else view.state
    figures = view.figures
    if figures is None:
        return (view.name, state, "", "", "", "", "", "")
    lag = f"{figures.lag} ({figures.lag_seconds:.0f} s)" if figures.lag else "0"
    counts = (figures.came_in, figures.went_out, figures.failed, figures.parked)
    return (view.name, state, *map(str, counts), lag, f"{figures.rss_mb:.0f}")
