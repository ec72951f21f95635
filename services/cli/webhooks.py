"""`tillbridge webhooks list|sync`: the subscriptions that each connection needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from services.cli.options import AsJson, OfConnection, run_operation, tool_settings
from shared.connectors.settings import SubscriptionSettings
from shared.operations.webhooks import Report, sync
from shared.runtime.output import console, print_json, print_table

app = typer.Typer(help="Shopify's webhook subscriptions: what there is, and putting it right.", no_args_is_help=True)


def show(reports: Sequence[Report], *, as_json: bool, done: bool) -> None:
    if as_json:
        print_json([report.as_json() for report in reports])
        return
    cells = [
        (report.connection, row["topic"], row["step"], row["api_version"] or "-", row["uri"])
        for report in reports
        for row in report.steps
    ]
    print_table("", ("connection", "topic", "step", "version", "address"), cells, empty="no subscriptions")
    for report in reports:
        for topic, why in report.refused.items():
            console().print(f"{report.connection}: Shopify refuses {topic}: {why}", markup=False)
        if report.failed:
            console().print(f"{report.connection}: {report.failed}", markup=False)
        elif done and any(row["step"] == "create" for row in report.steps):
            what = "orders that changed while subscriptions were missing are read again by the poller"
            console().print(f"{report.connection}: {what}", markup=False)


def _sync(connection: str | None, *, dry_run: bool, as_json: bool) -> None:
    reports = run_operation(sync(tool_settings(SubscriptionSettings), connection, dry_run=dry_run))
    show(reports, as_json=as_json, done=not dry_run)
    if any(report.failed or report.refused for report in reports):
        raise SystemExit(1)


@app.command(name="list")
def list_subscriptions(connection: OfConnection = None, as_json: AsJson = False) -> None:
    """What there is, and what a sync would do about it."""
    _sync(connection, dry_run=True, as_json=as_json)


@app.command(name="sync")
def sync_subscriptions(
    connection: OfConnection = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make what is missing, correct what is wrong, remove what is double. Others' subscriptions are left alone."""
    _sync(connection, dry_run=dry_run, as_json=as_json)
