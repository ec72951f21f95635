"""`tillbridge settings show|set|history|reapply|describe`.

What a merchant chose for a connection, in versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.cli.options import NO_REASON, AsJson, Because, database_url, operator, run_operation, tool_settings
from shared.definitions.describe import describe as list_settings
from shared.definitions.describe import reference
from shared.definitions.paths import Change, merged, setting_paths, unknown_paths, value_at
from shared.definitions.paths import changes as changed_values
from shared.entities.settings_model import settings_model
from shared.errors import Misconfigured
from shared.operations.dead_letters.dry_run import DryRunSettings, open_previews
from shared.operations.definitions import (
    Edit,
    Published,
    Reapplicable,
    ReapplyPreview,
    definitions_history,
    differences,
    edited,
    preview_reapply,
    publish_definitions,
    reapplicable,
    reapply,
    show_definitions,
)
from shared.runtime.output import ago, console, fail, print_json, print_table, utc_now
from shared.runtime.settings import Settings
from shared.state.database import Database
from shared.state.definitions import DefinitionsVersion

app = typer.Typer(
    add_completion=False, help="What a merchant chose for a connection: show, change, re-apply.", no_args_is_help=True
)
OfConnection = Annotated[str, typer.Option("--connection", help="Of this connection.")]
MAIN = "main"
_LARGEST = 2**31 - 1
# How many affected records are listed; the sums count all of them.
MOST_LISTED = 20


@app.command(name="show")
def show(
    connection: OfConnection = MAIN,
    version: Annotated[
        int | None, typer.Option(min=1, max=_LARGEST, help="An earlier version; else the one in use.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what is left at its default.")] = False,
    as_json: AsJson = False,
) -> None:
    """The settings of a connection."""

    async def work() -> DefinitionsVersion:
        async with Database.open(database_url(), 1) as database:
            return await show_definitions(database, connection, version)

    found = run_operation(work())
    defaults = settings_model()().model_dump(mode="json")
    settings = merged(defaults, found.settings) if everything else found.settings
    if as_json:
        print_json({**asdict(found), "connection": connection, "settings": settings})
        return
    console().print(_headline(connection, found), markup=False)
    rows = list(_values(settings))
    for path, value in rows:
        console().print(f"  {path} = {_json(value)}", markup=False)
    for path in unknown_paths(found.settings, settings_model()):
        console().print(f"  {path}: unknown; `tillbridge settings set --unset {path}` removes it", markup=False)
    if not rows:
        console().print("  everything is at its default: `tillbridge settings show --all`", markup=False)


@app.command(name="history")
def history(connection: OfConnection = MAIN, as_json: AsJson = False) -> None:
    """Every version of a connection's settings: who published it, when and why, and what it changed."""

    async def work() -> Sequence[DefinitionsVersion]:
        async with Database.open(database_url(), 1) as database:
            return await definitions_history(database, connection)

    found = run_operation(work())
    changed = [_changed(found, at) for at in range(len(found))]
    if as_json:
        print_json([{**asdict(one), "changes": list(map(asdict, of))} for one, of in zip(found, changed, strict=True)])
        return
    for one, of in zip(found, changed, strict=True):
        console().print(_headline(connection, one), markup=False)
        _print_changes(of)


@app.command(name="set")
def set_(
    values: Annotated[list[str] | None, typer.Argument(help="Settings as path=value; a value is JSON or text.")] = None,
    unset: Annotated[list[str] | None, typer.Option(help="Set this path back to its default.")] = None,
    file: Annotated[Path | None, typer.Option(help="Replace all settings by those of this JSON file.")] = None,
    from_version: Annotated[
        int | None, typer.Option(min=1, max=_LARGEST, help="Start from the settings of this earlier version.")
    ] = None,
    connection: OfConnection = MAIN,
    because: Because = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check it and show what would change; store nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Publish a new version of a connection's settings. New events are written with it."""
    edit = run_operation(_edit(values or [], unset or [], file, from_version))
    if not because and not dry_run:
        fail(NO_REASON)

    async def work() -> Published:
        async with Database.open(database_url(), 1) as database:
            if not dry_run:
                return await publish_definitions(
                    database, connection, edit, settings_model(), author=operator(), because=because
                )
            in_use, settings = await edited(database, connection, edit, settings_model())
            return Published(in_use.version, differences(in_use.settings, settings, settings_model()))

    published = run_operation(work())
    if as_json:
        print_json({"connection": connection, "dry_run": dry_run, **asdict(published)})
    else:
        _tell_published(connection, published, dry_run=dry_run)


async def _edit(values: Sequence[str], unset: Sequence[str], file: Path | None, from_version: int | None) -> Edit:
    """Raises Misconfigured for what cannot be read, or for an edit that says nothing."""
    if file is not None and from_version is not None:
        raise Misconfigured("give either --file or --from-version")
    if not values and not unset and file is None and from_version is None:
        raise Misconfigured("say what to change: path=value, --unset, --file or --from-version")
    pairs = dict(_pair(text) for text in values)
    return Edit(pairs, tuple(unset), None if file is None else _document(file), from_version)


def _pair(text: str) -> tuple[str, Any]:
    path, equals, value = text.partition("=")
    if not equals or not path:
        raise Misconfigured(f"{text!r} is no path=value")
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError:
        return path, value
    # What is text stays text, be it a number: a location's number, a prefix.
    is_text = any(one.path == path and one.kind == "text" for one in list_settings(settings_model()))
    return path, value if is_text and not isinstance(parsed, str) else parsed


def _document(file: Path) -> Mapping[str, Any]:
    try:
        found = orjson.loads(file.read_bytes())
    except OSError as error:
        raise Misconfigured(f"{file} cannot be read: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise Misconfigured(f"{file} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Misconfigured(f"{file} must hold a JSON object")
    return found


@app.command(name="reapply")
def reapply_(
    connection: OfConnection = MAIN,
    days: Annotated[int, typer.Option(min=1, help="Only records that changed within so many days.")] = 30,
    because: Because = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; send nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before sending.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write what was written with earlier settings again, with those in use. First shows how much that is."""
    if not because and not dry_run:
        fail(NO_REASON)
    found, previews = run_operation(_previewed(connection, days))
    if as_json:
        print_json([_as_json(one, preview) for one, preview in zip(found, previews, strict=True)])
    else:
        for one, preview in zip(found, previews, strict=True):
            _tell_preview(one, preview)
    if not found:
        console(stderr=True).print("no record of that time was written with settings that differ for it", markup=False)
    if dry_run or not found:
        return
    count = sum(len(one.keys) for one in found)
    if not yes:
        typer.confirm(f"Send {count} records through again, at backfill priority?", abort=True, err=True)
    sent = run_operation(reapply(tool_settings(Settings), connection, found, author=operator(), because=because))
    console(stderr=True).print(f"{sent} records are on their way; `tillbridge trace <order>` shows each", markup=False)


async def _previewed(connection: str, days: int) -> tuple[list[Reapplicable], list[ReapplyPreview]]:
    async with open_previews(tool_settings(DryRunSettings)) as parts:
        since = parts.clock.now() - timedelta(days=days)
        found = await reapplicable(parts.database, connection, since, model=settings_model())
        previews = []
        for one in found:
            with _progress(f"{one.spec.plural} looked at", len(one.keys)) as progress:
                previews.append(await preview_reapply(parts, connection, one, progress))
        return found, previews


@contextmanager
def _progress(what: str, count: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=count)
        yield lambda done: bar.update(task, completed=done)


@app.command(name="describe")
def describe(
    markdown: Annotated[bool, typer.Option("--markdown", help="As the document docs/connection-settings.md.")] = False,
    as_json: AsJson = False,
) -> None:
    """Every setting there is: its path, what it takes, its default, and what it does."""
    found = list_settings(settings_model())
    if markdown:
        print(reference(found), end="")
    elif as_json:
        print_json([asdict(one) for one in found])
    else:
        rows = [(one.path, one.kind, _json(one.default), one.says) for one in found]
        print_table("", ("setting", "takes", "default", "what it does"), rows, empty="")


def _changed(newest_first: Sequence[DefinitionsVersion], at: int) -> list[Change]:
    """What a version changed, against the one before it; the first against the defaults."""
    before = newest_first[at + 1].settings if at + 1 < len(newest_first) else {}
    return changed_values(before, newest_first[at].settings, settings_model())


def _headline(connection: str, one: DefinitionsVersion) -> str:
    when = ago(one.published_at, utc_now())
    return f"{connection}, version {one.version}, published {when} ago by {one.author}: {one.reason}"


def _values(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for path in setting_paths(settings_model()):
        try:
            yield path, value_at(settings, path)
        except KeyError:
            continue


def _print_changes(of: Sequence[Change]) -> None:
    for change in of:
        console().print(f"  {change.path}: {_json(change.before)} -> {_json(change.after)}", markup=False)


def _tell_published(connection: str, published: Published, *, dry_run: bool) -> None:
    if not published.changes:
        console().print(f"{connection}: nothing changes; version {published.version} stays in use", markup=False)
        return
    if dry_run:
        console().print(f"{connection}: changes against version {published.version}:", markup=False)
        _print_changes(published.changes)
        return
    console().print(f"{connection}: version {published.version} is published", markup=False)
    _print_changes(published.changes)
    console().print(
        "New events are written with it within seconds. What was written before stays as it is:\n"
        f"`tillbridge settings reapply --connection {connection} --dry-run` shows what it would change.",
        markup=False,
    )


def _tell_preview(one: Reapplicable, preview: ReapplyPreview) -> None:
    money = ", ".join(f"{amount} {currency}" for currency, amount in sorted(preview.money.items())) or "0"
    console().print(
        f"{len(one.keys)} {one.spec.plural} were written to {one.target.capitalize()} with other settings: "
        f"{len(preview.affected)} would change ({money} in all), {preview.unchanged} would not, "
        f"{len(preview.problems)} cannot be written",
        markup=False,
    )
    if also := [system for system, _ in one.spec.writers if system != one.target]:
        console().print(
            f"  Only calls to {one.target.capitalize()} are counted. "
            f"Writes to {' and '.join(map(str.capitalize, also))} that follow from them, such as metafields, are not.",
            markup=False,
        )
    for affected in preview.affected[:MOST_LISTED]:
        console().print(
            f"  {affected.number}  {affected.total} {affected.currency}  {len(affected.calls)} calls", markup=False
        )
    if len(preview.affected) > MOST_LISTED:
        console().print(f"  and {len(preview.affected) - MOST_LISTED} more (--json lists all)", markup=False)
    for key, problem in list(preview.problems.items())[:MOST_LISTED]:
        console().print(f"  {one.spec.name} {key}: {problem}", markup=False)


def _as_json(one: Reapplicable, preview: ReapplyPreview) -> dict[str, Any]:
    return {
        "entity": one.spec.name,
        "target": one.target,
        "not_counted": [system for system, _ in one.spec.writers if system != one.target],
        "written_with_other_settings": len(one.keys),
        "would_change": len(preview.affected),
        "money": {currency: str(amount) for currency, amount in preview.money.items()},
        "unchanged": preview.unchanged,
        "problems": preview.problems,
        "records": orjson.loads(orjson.dumps([asdict(affected) for affected in preview.affected], default=str)),
    }


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
