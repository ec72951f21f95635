"""`tillbridge webhooks list|sync`: Shopify's webhook subscriptions of each connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from services.cli.options import AsJson, OfConnection, run_operation, tool_settings
from shared.connectors.settings import SubscriptionSettings
from shared.operations.webhooks import SyncReport, sync
from shared.runtime.output import console, print_json, print_table

app = typer.Typer(
    add_completion=False, help="Shopify's webhook subscriptions: list them, sync them.", no_args_is_help=True
)


def show(reports: Sequence[SyncReport], *, as_json: bool, done: bool) -> None:
    if as_json:
        print_json([asdict(report) for report in reports])
        return
    cells = [
        (report.connection, one.topic, one.step, one.api_version or "-", one.uri)
        for report in reports
        for one in report.steps
    ]
    print_table("", ("connection", "topic", "step", "version", "address"), cells, empty="no webhook subscriptions")
    for report in reports:
        for topic, why in report.refused.items():
            console().print(f"{report.connection}: Shopify refused the subscription {topic}: {why}", markup=False)
        if report.failed:
            console().print(f"{report.connection}: {report.failed}", markup=False)
        elif done and any(one.step == "create" for one in report.steps):
            later = "the poller now reads the orders that changed while subscriptions were missing"
            console().print(f"{report.connection}: {later}", markup=False)


def _sync(connection: str | None, *, dry_run: bool, as_json: bool) -> None:
    reports = run_operation(sync(tool_settings(SubscriptionSettings), connection, dry_run=dry_run))
    show(reports, as_json=as_json, done=not dry_run)
    if any(report.failed or report.refused for report in reports):
        raise SystemExit(1)


@app.command(name="list")
def list_subscriptions(connection: OfConnection = None, as_json: AsJson = False) -> None:
    """List subscriptions with the step that a sync would take."""
    _sync(connection, dry_run=True, as_json=as_json)


@app.command(name="sync")
def sync_subscriptions(
    connection: OfConnection = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the steps, change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Create missing subscriptions, correct wrong ones, delete duplicates. Other apps' are not touched."""
    _sync(connection, dry_run=dry_run, as_json=as_json)
