"""The command `tillbridge`: each group of commands is a file of its own, named like the command."""

from __future__ import annotations

import typer

from services.cli import (
    alerts,
    audit,
    connect,
    dlq,
    drift,
    migrate,
    parked,
    reconcile,
    reviews,
    run,
    sandbox,
    settings,
    status,
    trace,
    webhooks,
)

app = typer.Typer(
    help="Connects Heartland Retail with Shopify.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (run, trace, status, reconcile, migrate, connect):
    app.add_typer(command.app)
for name, group in {
    "reviews": reviews, "alerts": alerts, "parked": parked, "drift": drift, "dlq": dlq, "audit": audit,
    "webhooks": webhooks, "settings": settings, "sandbox": sandbox,
}.items():  # fmt: skip
    app.add_typer(group.app, name=name)


def main() -> None:
    """The entry point of the package."""
    app(prog_name="tillbridge")


if __name__ == "__main__":
    main()
