"""What commands share: common options, running an operation, and printing its errors."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Coroutine, Sequence
from typing import Annotated, Any, TypeVar

import typer

from services.cli.running_system import RunningSystem, environment, find_running_system
from shared.errors import IntegrationError
from shared.runtime.output import console, fail, print_json
from shared.runtime.settings import Settings

T = TypeVar("T")
S = TypeVar("S", bound=Settings)
INTERRUPTED = 130

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
OfConnection = Annotated[str | None, typer.Option("--connection", help="Only of this connection.")]
OfService = Annotated[str, typer.Option("--service", help="Only of this service.")]
Because = Annotated[str, typer.Option("--because", help="The reason; it is recorded in the audit trail.")]
NO_REASON = "--because is required: the reason is recorded in the audit trail"


def run_operation(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. An error with a reason ends the program with one line on stderr."""
    try:
        return asyncio.run(work)
    except IntegrationError as error:
        fail(error.reason)
    except KeyboardInterrupt:
        fail("interrupted", INTERRUPTED)


def running_system() -> RunningSystem:
    """The running system; ends the program with one line if there is none."""
    try:
        return find_running_system(environment())
    except IntegrationError as error:
        fail(error.reason)


def database_url() -> str:
    return running_system().database_url


def tool_settings(kind: type[S]) -> S:
    """A tool's settings for the running system; ends the program with one line if they are wrong."""
    try:
        return kind.from_env(running_system().environ(environment()))
    except IntegrationError as error:
        fail(error.reason)


def operator() -> str:
    """The operator's name for the audit trail: the user of this computer."""
    return getpass.getuser()


def print_result(did: str, names: Sequence[str], *, nothing: str, as_json: bool) -> None:
    """Print what was done to which; ends the program with 1 and the sentence `nothing` if it was none."""
    if as_json:
        print_json(list(names))
    elif names:
        console().print(f"{did} {', '.join(names)}", markup=False)
    else:
        fail(nothing)
    if not names:
        raise SystemExit(1)
