"""`tillbridge dlq list|show|replay|edit|discard`: inspect dead letters, replay them, or discard them."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.cli import dlq_output as show
from services.cli.options import INTERRUPTED, NO_REASON, AsJson, Because, operator, run_operation, tool_settings
from shared.errors import Rejected
from shared.messaging.dead_letters.reader import DeadLetter
from shared.operations.dead_letters.dead_letters import DeadLetterOperations, open_dead_letters
from shared.operations.dead_letters.dry_run import DryRun, DryRunSettings, dry_run, open_previews
from shared.operations.dead_letters.replay import ReplayReport, ready, select, to_replay
from shared.operations.dead_letters.replay import replay as send_all
from shared.operations.dead_letters.resend import Sending, changed, edited
from shared.operations.dead_letters.selection import Selection
from shared.runtime.output import console, fail, print_json
from shared.runtime.settings import Settings

T = TypeVar("T")
app = typer.Typer(
    add_completion=False, help="Dead letters: events that failed for good, with the reason.", no_args_is_help=True
)

Ids = Annotated[list[str] | None, typer.Argument(help="Dead letters by id (service:partition:offset) or by event id.")]
One = Annotated[str, typer.Argument(help="The dead letter's id (service:partition:offset), or its event id.")]
Service = Annotated[str, typer.Option(help="Only those that failed in this service.")]
Entity = Annotated[str, typer.Option(help="Only of this entity.")]
Reason = Annotated[str, typer.Option(help="Only those whose reason contains this text.")]
Shop = Annotated[str, typer.Option("--connection", help="Only of this connection.")]
Order = Annotated[str, typer.Option(help="Only of this order: its number or its Shopify id.")]
Since = Annotated[datetime | None, typer.Option(help="Only from this time on (UTC).")]
Until = Annotated[datetime | None, typer.Option(help="Only up to this time (UTC).")]
Actor = Annotated[
    str, typer.Option(help="The operator's name for the audit trail; default: the user of this computer.")
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Also replay those that were written already, or that failed after too many replays."),
]
Changes = Annotated[
    list[str] | None, typer.Option("--set", help="Set one value, as path=value: record.lines.0.sku=TEE-NVY-M.")
]
WAIT_SECONDS = 60.0
# A dry run reads from the vendor for each dead letter.
MAX_DRY_RUN = 20


def _do(work: Callable[[DeadLetterOperations], Coroutine[Any, Any, T]], actor: str = "") -> T:
    """Run `work` with the dead letters of the running system."""

    async def run() -> T:
        async with open_dead_letters(tool_settings(Settings), actor or operator()) as operations:
            return await work(operations)

    return run_operation(run())


def _selection(**given: Any) -> Selection:
    for name in ("since", "until"):
        if given.get(name) is not None:
            given[name] = given[name].replace(tzinfo=UTC)
    return Selection(**given | {"ids": tuple(given.get("ids") or ())})


async def _one(operations: DeadLetterOperations, name: str) -> DeadLetter:
    found = await select(operations, Selection(ids=(name,), state="all"))
    if not found:
        raise Rejected(f"there is no dead letter {name}: `tillbridge dlq list --each` shows their ids")
    return found[-1]


@app.command(name="list")
def list_letters(
    service: Service = "", entity: Entity = "", reason: Reason = "", connection: Shop = "", order: Order = "",
    since: Since = None, until: Until = None,
    state: Annotated[str, typer.Option(help="Only in this state: open, replayed, edited, discarded or all.")] = "open",
    each: Annotated[bool, typer.Option("--each", help="One line per dead letter instead of one per cause.")] = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """List dead letters, grouped by cause."""
    if state not in ("open", "replayed", "edited", "discarded", "all"):
        fail(f"--state must be open, replayed, edited, discarded or all, not {state}")
    selection = _selection(
        service=service, entity=entity, reason=reason, connection=connection, order=order, since=since, until=until,
        state=state,
    )  # fmt: skip
    show.letters(_do(lambda operations: select(operations, selection)), each=each, as_json=as_json)


@app.command(name="show")
def show_letter(
    letter: One,
    body: Annotated[bool, typer.Option("--body", help="Show the body too; it may hold personal data.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show everything about one dead letter."""
    show.letter(_do(lambda operations: _one(operations, letter)), body=body, as_json=as_json)


@app.command()
def replay(
    ids: Ids = None,
    service: Service = "", entity: Entity = "", reason: Reason = "", connection: Shop = "", order: Order = "",
    since: Since = None, until: Until = None,
    is_dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the calls, send nothing.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="All open dead letters.")] = False,
    rate: Annotated[float, typer.Option(min=0, help="Dead letters per second after the first; 0 for no limit.")] = 5.0,
    canary: Annotated[bool, typer.Option(help="Replay one first, and the rest only if it ended well.")] = True,
    force: Force = False,
    resume: Annotated[str, typer.Option(metavar="RUN", help="Resume a replay that was stopped.")] = "",
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the outcomes.")] = WAIT_SECONDS,
    actor: Actor = "", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Replay dead letters: send each event to its original topic again."""
    selection = _selection(
        ids=ids, service=service, entity=entity, reason=reason, connection=connection, order=order, since=since,
        until=until, state="all" if ids else "open",
    )  # fmt: skip
    if not (everything or resume or selection != Selection()):
        fail("select dead letters: give ids, a filter (--service, --reason ...), or --all")
    if is_dry_run:
        rows = _do(lambda operations: _dry_runs(operations, selection, resume, force=force))
        show.dry_runs(rows, as_json=as_json)
        return
    report = _do(lambda operations: _replay(operations, selection, resume, rate, canary, force, wait), actor)
    show.report(report, as_json=as_json)
    if report.left:
        raise SystemExit(INTERRUPTED)


async def _dry_runs(
    operations: DeadLetterOperations, selection: Selection, resume: str, *, force: bool
) -> list[DryRun | show.Skipped]:
    letters, skipped = await to_replay(operations, selection, resume)
    sendings, needless = await ready(operations, letters, "dry-run", force=force)
    found = await _dry_run(sendings[:MAX_DRY_RUN])
    beyond = {
        sending.letter.id: f"a dry run covers {MAX_DRY_RUN} dead letters; give this one's id"
        for sending in sendings[MAX_DRY_RUN:]
    }
    return [*found, *(show.Skipped(name, why) for name, why in (skipped | needless | beyond).items())]


async def _dry_run(sendings: Sequence[Sending]) -> list[DryRun]:
    async with open_previews(tool_settings(DryRunSettings)) as previews:
        return [await dry_run(sending, previews) for sending in sendings]


async def _replay(
    operations: DeadLetterOperations,
    selection: Selection,
    resume: str,
    rate: float,
    canary: bool,
    force: bool,
    wait: float,
) -> ReplayReport:
    # From here on Ctrl-C stops the replay between two dead letters.
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    run = resume or uuid.uuid4().hex[:12]
    letters, skipped = await to_replay(operations, selection, resume)
    if not resume:
        await operations.statuses.begin(run, [letter.id for letter in letters])
    sendings, needless = await ready(operations, letters, run, force=force)
    skipped |= needless
    await operations.statuses.skip(run, skipped)
    columns = (TextColumn("replay {task.fields[run]}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        bar = progress.add_task("replay", total=len(sendings), run=run)
        report = await send_all(
            operations, run, sendings, per_second=rate, canary=canary, wait_seconds=wait, stop=stop,
            on_sent=lambda _: progress.advance(bar),
        )  # fmt: skip
    report.skipped.update(skipped)
    return report


@app.command()
def edit(
    letter: One,
    set_: Changes = None,
    body_file: Annotated[Path | None, typer.Option(help="File with the whole new body.")] = None,
    is_dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the calls, send nothing.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the outcome.")] = WAIT_SECONDS,
    actor: Actor = "", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Correct a dead letter's body and send it as a new event. Opens $EDITOR without --set or --body-file."""

    async def work(operations: DeadLetterOperations) -> ReplayReport | list[DryRun]:
        found = await _one(operations, letter)
        run = uuid.uuid4().hex[:12]
        sending = edited(found, _new_body(found, set_ or [], body_file), run)
        if is_dry_run:
            return await _dry_run([sending])
        return await send_all(
            operations, run, [sending], per_second=0, canary=True, wait_seconds=wait, stop=asyncio.Event(),
            on_sent=lambda _: None,
        )  # fmt: skip

    done = _do(work, actor)
    if isinstance(done, ReplayReport):
        show.report(done, as_json=as_json)
    else:
        show.dry_runs(done, as_json=as_json)


def _new_body(letter: DeadLetter, changes: Sequence[str], body_file: Path | None) -> bytes:
    body = letter.body or b""
    if body_file is not None:
        try:
            return body_file.read_bytes()
        except OSError as error:
            raise Rejected(f"{body_file} cannot be read: {error.strerror}") from None
    for change in changes:
        path, given, value = change.partition("=")
        if not given:
            raise Rejected(f"--set must be path=value, not {change}")
        body = changed(body, path, value)
    return body if changes else _in_editor(body)


def _in_editor(body: bytes) -> bytes:
    """The body after editing; JSON is shown indented."""
    shown = body
    with suppress(orjson.JSONDecodeError):
        shown = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "body.json"
        path.touch(mode=0o600)
        path.write_bytes(shown)
        editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
        if subprocess.run([*editor, str(path)], check=False).returncode:
            raise Rejected("the editor failed, nothing was sent")
        made = path.read_bytes()
    # Indentation is no change, nor is the newline that editors append.
    return body if made.rstrip() == shown.rstrip() else made


@app.command()
def discard(
    ids: Ids = None,
    reason_: Because = "",
    service: Service = "", entity: Entity = "", reason: Reason = "", connection: Shop = "", order: Order = "",
    since: Since = None, until: Until = None, actor: Actor = "", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Discard dead letters: they count as handled. Kafka keeps them until their retention ends."""
    selection = _selection(
        ids=ids, service=service, entity=entity, reason=reason, connection=connection, order=order, since=since,
        until=until,
    )  # fmt: skip
    if selection == Selection():
        fail("select dead letters: give ids, or a filter (--service, --reason ...)")
    if not reason_:
        fail(NO_REASON)

    async def work(operations: DeadLetterOperations) -> list[str]:
        found = await select(operations, selection)
        await operations.discard(found, reason_)
        return [one.id for one in found]

    done = _do(work, actor)
    if as_json:
        print_json(done)
    else:
        console().print(f"discarded {', '.join(done)}" if done else "no open dead letter matches", markup=False)
