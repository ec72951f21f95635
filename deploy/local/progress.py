"""Shows a progress bar while a first run downloads the jars."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.local import jars


@contextmanager
def progress_bar(console: Console | None = None) -> Iterator[jars.Progress]:
    """A progress bar on standard error, which appears with the first progress report."""
    bar = Progress(
        TextColumn("Apache Kafka, first run only"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console or Console(stderr=True),
    )
    task = bar.add_task("jars", total=None)

    def show(done: int, total: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield show
    finally:
        if bar.live.is_started:
            bar.stop()
