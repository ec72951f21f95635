"""The view of `tillbridge run`: latest orders and services, as a live screen or as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from services.cli.service_table import COLUMNS, row
from shared.operations.service_health import ServiceView
from shared.runtime.output import clock_time
from shared.state.journal import RecentOrder

_COLOURS = {"ready": "green", "starting": "yellow", "unready": "yellow", "down": "red", "stopped": "red"}
_OUTCOMES = {"applied": "green", "parked": "yellow", "review": "yellow", "retrying": "yellow", "dead_letter": "red"}


@dataclass(frozen=True)
class RunView:
    """The run at one moment.

    `headline` is the progress of the demo orders, `hints` are addresses and files.
    """

    orders: Sequence[RecentOrder] = ()
    services: Sequence[ServiceView] = ()
    headline: str = ""
    hints: Sequence[str] = ()


class Screen(Protocol):
    """Shows the run; `show` is called again for each refresh."""

    def show(self, view: RunView) -> None: ...
    def close(self) -> None: ...


def open_screen(console: Console) -> Screen:
    """A live screen on a terminal, lines elsewhere."""
    return LiveScreen(console) if console.is_terminal else LineScreen(console)


class LiveScreen:
    """Redraws the screen in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
        self._live.start()

    def show(self, view: RunView) -> None:
        self._live.update(draw(view), refresh=True)

    def close(self) -> None:
        self._live.stop()


@dataclass
class LineScreen:
    """Prints a line for each change."""

    console: Console
    _orders: dict[str, str] = field(default_factory=dict)
    _services: dict[str, str] = field(default_factory=dict)
    _headline: str = ""

    def show(self, view: RunView) -> None:
        for service in view.services:
            self._print_new(self._services, service.name, f"{service.name}: {service.state}")
        for order in reversed(view.orders):
            self._print_new(self._orders, f"{order.connection}|{order.key}", order_line(order))
        if view.headline != self._headline:
            self._headline = view.headline
            self.console.print(view.headline, markup=False)

    def _print_new(self, known: dict[str, str], key: str, line: str) -> None:
        if known.get(key) != line:
            known[key] = line
            self.console.print(line, markup=False, soft_wrap=True)

    def close(self) -> None:
        """Holds nothing to release."""


def order_line(order: RecentOrder) -> str:
    """The order in one line."""
    heartland = f"Heartland {order.heartland_id}" if order.heartland_id else "not in Heartland yet"
    name = f"order {order.order_number or '?'}: Shopify {order.shopify_id}, {heartland}"
    return f"{name}, {order.service} {order.outcome}{_seconds(order, ', ')}"


def _seconds(order: RecentOrder, before: str = "") -> str:
    return "" if order.seconds is None else f"{before}{order.seconds:.2f} s"


def draw(view: RunView) -> RenderableType:
    """Orders, then services, then hints."""
    parts: list[RenderableType] = [_orders(view.orders), Text(), _services(view.services), Text()]
    if view.headline:
        parts += [Text(view.headline, style="bold"), Text()]
    return Group(*parts, *(Text(hint, style="dim") for hint in view.hints))


def _orders(orders: Sequence[RecentOrder]) -> Table:
    table = Table(title="latest orders", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("order", "Shopify id", "Heartland id", "last hop", "seconds", "at"):
        table.add_column(name, justify="right" if name == "seconds" else "left", no_wrap=True)
    for order in orders:
        hop = Text(f"{order.service} {order.outcome}", style=_OUTCOMES.get(order.outcome, ""))
        table.add_row(
            Text(order.order_number),
            Text(order.shopify_id),
            Text(order.heartland_id or "-"),
            hop,
            _seconds(order).removesuffix(" s"),
            _time(order.finished_at),
        )
    return table


def _services(services: Sequence[ServiceView]) -> Table:
    table = Table(title="services", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in COLUMNS[:2] else "right", no_wrap=True)
    for service in services:
        name, state, *figures = row(service)
        table.add_row(name, Text(state, style=_COLOURS.get(service.state, "")), *figures)
    return table


def _time(moment: datetime) -> str:
    return clock_time(moment)[:-4]


def hints(ingress: str, sandbox: str | None, webhooks: str, files: Mapping[str, str]) -> list[str]:
    """Addresses, files, and commands to try."""
    lines = [f"webhooks   POST {webhooks}", f"ingress    {ingress}"]
    if sandbox:
        lines.append(f"sandbox    {sandbox}  (writes: {sandbox}/_sandbox/journal?system=heartland)")
    lines += [f"{name:<10} {path}" for name, path in files.items()]
    lines.append("try        tillbridge trace 1001   tillbridge status   tillbridge reviews list   (Ctrl-C stops all)")
    return lines
