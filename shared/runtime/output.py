"""Output of the command line: tables for people, JSON for programs, one line for errors."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Lines in a file or a pipe are not cut to a terminal's width.
_WIDTH_OF_A_FILE = 200


def console(*, stderr: bool = False) -> Console:
    terminal = Console(highlight=False, stderr=stderr)
    return terminal if terminal.is_terminal else Console(highlight=False, width=_WIDTH_OF_A_FILE, stderr=stderr)


def print_json(value: Any) -> None:
    """Two spaces of indent; times in ISO 8601, UTC."""
    print(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode())


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table, or the sentence `empty` where it has no rows. What is in the rows is never read as markup.

    Where it is too wide, the last column is folded.
    """
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, no_wrap=column != columns[-1], overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console().print(table if table.row_count else empty)


def fail(reason: str, code: int = 1) -> NoReturn:
    """Print one line on stderr and exit."""
    print(f"tillbridge: {' '.join(reason.split())}", file=sys.stderr)
    raise SystemExit(code)


def ago(moment: datetime, now: datetime) -> str:
    """`12 s`, `4 min`, `3 h`, `2 d`, before (or after) now."""
    seconds = abs((now - moment).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size * 2:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def clock_time(moment: datetime) -> str:
    """The time of day here, to the millisecond."""
    return moment.astimezone().strftime("%H:%M:%S.%f")[:-3]


def utc_now() -> datetime:
    return datetime.now(UTC)
