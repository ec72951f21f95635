"""The command `tillbridge`: each group of commands is a file of its own, named like the command."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

# In the order of `--help`. The file of a command has the command's name.
COMMANDS = (
    "run", "trace", "status", "reconcile", "migrate", "connect", "reviews", "alerts", "parked", "drift", "dlq", "audit",
    "webhooks", "settings", "sandbox",
)  # fmt: skip


class _Commands(TyperGroup):
    """Imports a command when it is used: to import all of them takes longer than most of them run."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        command = get_command(import_module(f"services.cli.{cmd_name}").app)
        command.name = cmd_name
        return command


app = typer.Typer(cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def tillbridge() -> None:
    """Connects Heartland Retail with Shopify."""


def main() -> None:
    """The entry point of the package."""
    app(prog_name="tillbridge")


if __name__ == "__main__":
    main()
