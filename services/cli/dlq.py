"""`tillbridge dlq list|show|replay|edit|discard`: look at dead letters, send them again, or let them be."""

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
from shared.operations.dead_letters.dry_run import DryRunSettings, dry_run, open_previews
from shared.operations.dead_letters.replay import Report, chosen, meant, ready
from shared.operations.dead_letters.replay import replay as send_all
from shared.operations.dead_letters.resend import Sending, changed, edited
from shared.operations.dead_letters.selection import Selection
from shared.runtime.output import console, fail, print_json
from shared.runtime.settings import Settings

T = TypeVar("T")
app = typer.Typer(help="Dead letters: what could not work, with its reason.", no_args_is_help=True)

Ids = Annotated[list[str] | None, typer.Argument(help="Letters by id (service:partition:offset) or by event id.")]
One = Annotated[str, typer.Argument(help="A letter's id (service:partition:offset), or its event's.")]
Service = Annotated[str, typer.Option(help="Only what this service could not do.")]
Entity = Annotated[str, typer.Option(help="Only of this entity.")]
Reason = Annotated[str, typer.Option(help="Only with this in the reason.")]
Shop = Annotated[str, typer.Option("--connection", help="Only of this connection.")]
Order = Annotated[str, typer.Option(help="Only of this order: its number or its Shopify id.")]
Since = Annotated[datetime | None, typer.Option(help="Only from this time on (UTC).")]
Until = Annotated[datetime | None, typer.Option(help="Only up to this time (UTC).")]
Actor = Annotated[str, typer.Option(help="Who does it, for the audit trail; the user of this system if not given.")]
Force = Annotated[bool, typer.Option("--force", help="Also what was written already or came back too often.")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", help="A value, as path=value: record.lines.0.sku=TEE-NVY-M.")
]
WAIT_SECONDS = 60.0
# Each dry run reads from the vendor.
MOST_DRY_RUN = 20


def _do(work: Callable[[DeadLetterOperations], Coroutine[Any, Any, T]], actor: str = "") -> T:
    """The result of `work` on the dead letters of the running system."""

    async def run() -> T:
        async with open_dead_letters(tool_settings(Settings), actor or operator()) as desk:
            return await work(desk)

    return run_operation(run())


def _selection(**given: Any) -> Selection:
    for name in ("since", "until"):
        if given.get(name) is not None:
            given[name] = given[name].replace(tzinfo=UTC)
    return Selection(**given | {"ids": tuple(given.get("ids") or ())})


async def _one(desk: DeadLetterOperations, name: str) -> DeadLetter:
    found = await chosen(desk, Selection(ids=(name,), state="all"))
    if not found:
        raise Rejected(f"there is no dead letter {name}")
    return found[-1]


@app.command(name="list")
def list_letters(
    service: Service = "", entity: Entity = "", reason: Reason = "", connection: Shop = "", order: Order = "",
    since: Since = None, until: Until = None,
    state: Annotated[str, typer.Option(help="open, replayed, edited, discarded or all.")] = "open",
    each: Annotated[bool, typer.Option("--each", help="A line per letter, not per cause.")] = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """The letters, grouped by cause."""
    if state not in ("open", "replayed", "edited", "discarded", "all"):
        fail(f"--state is open, replayed, edited, discarded or all, not {state}")
    selection = _selection(
        service=service, entity=entity, reason=reason, connection=connection, order=order, since=since, until=until,
        state=state,
    )  # fmt: skip
    show.letters(_do(lambda desk: chosen(desk, selection)), each=each, as_json=as_json)


@app.command(name="show")
def show_letter(
    letter: One,
    body: Annotated[bool, typer.Option("--body", help="Also the body, which may hold personal data.")] = False,
    as_json: AsJson = False,
) -> None:
    """Everything about one letter."""
    show.letter(_do(lambda desk: _one(desk, letter)), body=body, as_json=as_json)


@app.command()
def replay(
    ids: Ids = None,
    service: Service = "", entity: Entity = "", reason: Reason = "", connection: Shop = "", order: Order = "",
    since: Since = None, until: Until = None,
    is_dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which calls would be made.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="All open letters, without further choice.")] = False,
    rate: Annotated[float, typer.Option(min=0, help="Letters per second after the first; 0 for no limit.")] = 5.0,
    canary: Annotated[bool, typer.Option(help="Send one first, and the rest once it has ended well.")] = True,
    force: Force = False,
    resume: Annotated[str, typer.Option(metavar="RUN", help="Go on with a replay that was stopped.")] = "",
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for their ends.")] = WAIT_SECONDS,
    actor: Actor = "", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Send letters again, as the events they were, to where they came from."""
    selection = _selection(
        ids=ids, service=service, entity=entity, reason=reason, connection=connection, order=order, since=since,
        until=until, state="all" if ids else "open",
    )  # fmt: skip
    if not (everything or resume or selection != Selection()):
        fail("say which letters: by id, by --service, --reason and so on, or --all")
    if is_dry_run:
        told = _do(lambda desk: _rehearse(desk, selection, resume, force=force))
        show.rehearsal(told, as_json=as_json)
        return
    report = _do(lambda desk: _replay(desk, selection, resume, rate, canary, force, wait), actor)
    show.report(report, as_json=as_json)
    if report.left:
        raise SystemExit(INTERRUPTED)


async def _rehearse(
    desk: DeadLetterOperations, selection: Selection, resume: str, *, force: bool
) -> list[dict[str, Any]]:
    letters, skipped = await meant(desk, selection, resume)
    sendings, needless = await ready(desk, letters, "dry-run", force=force)
    told = await _dry_run(sendings[:MOST_DRY_RUN])
    beyond = {
        sending.letter.id: f"only the first {MOST_DRY_RUN} are rehearsed; ask for this one by its id"
        for sending in sendings[MOST_DRY_RUN:]
    }
    return [*told, *({"letter": name, "skipped": why} for name, why in (skipped | needless | beyond).items())]


async def _dry_run(sendings: Sequence[Sending]) -> list[dict[str, Any]]:
    async with open_previews(tool_settings(DryRunSettings)) as previews:
        return [await dry_run(sending, previews) for sending in sendings]


async def _replay(
    desk: DeadLetterOperations, selection: Selection, resume: str, rate: float, canary: bool, force: bool, wait: float
) -> Report:
    # From here on Ctrl-C is a wish to stop between two letters.
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    run = resume or uuid.uuid4().hex[:12]
    letters, skipped = await meant(desk, selection, resume)
    if not resume:
        await desk.book.begin(run, [letter.id for letter in letters])
    sendings, needless = await ready(desk, letters, run, force=force)
    skipped |= needless
    await desk.book.skip(run, skipped)
    columns = (TextColumn("replay {task.fields[run]}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        bar = progress.add_task("replay", total=len(sendings), run=run)
        report = await send_all(
            desk, run, sendings, per_second=rate, canary=canary, wait_seconds=wait, stop=stop,
            told=lambda _: progress.advance(bar),
        )  # fmt: skip
    report.skipped.update(skipped)
    return report


@app.command()
def edit(
    letter: One,
    set_: Changes = None,
    body_file: Annotated[Path | None, typer.Option(help="A file with the whole new body.")] = None,
    is_dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which calls would be made.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for its end.")] = WAIT_SECONDS,
    actor: Actor = "", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Correct a letter's body and send it, as an event of its own. Opens $EDITOR if nothing is given."""

    async def work(desk: DeadLetterOperations) -> Report | list[dict[str, Any]]:
        found = await _one(desk, letter)
        run = uuid.uuid4().hex[:12]
        sending = edited(found, _new_body(found, set_ or [], body_file), run)
        if is_dry_run:
            return await _dry_run([sending])
        return await send_all(
            desk, run, [sending], per_second=0, canary=True, wait_seconds=wait, stop=asyncio.Event(),
            told=lambda _: None,
        )  # fmt: skip

    done = _do(work, actor)
    if isinstance(done, Report):
        show.report(done, as_json=as_json)
    else:
        show.rehearsal(done, as_json=as_json)


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
            raise Rejected(f"--set takes path=value, not {change}")
        body = changed(body, path, value)
    return body if changes else _in_editor(body)


def _in_editor(body: bytes) -> bytes:
    """What the user's editor makes of it; laid out over many lines where it is JSON."""
    shown = body
    with suppress(orjson.JSONDecodeError):
        shown = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "body.json"
        path.touch(mode=0o600)
        path.write_bytes(shown)
        editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
        if subprocess.run([*editor, str(path)], check=False).returncode:
            raise Rejected("the editor failed: nothing was sent")
        made = path.read_bytes()
    # Laid out anew is not changed; editors end the last line.
    return body if made.rstrip() == shown.rstrip() else made


@app.command()
def discard(
    ids: Ids = None,
    reason_: Because = "",
    service: Service = "", entity: Entity = "", reason: Reason = "", connection: Shop = "", order: Order = "",
    since: Since = None, until: Until = None, actor: Actor = "", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Let letters be. They stay on their topic until their time is over, and in the audit trail."""
    selection = _selection(
        ids=ids, service=service, entity=entity, reason=reason, connection=connection, order=order, since=since,
        until=until,
    )  # fmt: skip
    if selection == Selection():
        fail("say which letters: by id, or by --service, --reason and so on")
    if not reason_:
        fail(NO_REASON)

    async def work(desk: DeadLetterOperations) -> list[str]:
        found = await chosen(desk, selection)
        await desk.discard(found, reason_)
        return [one.id for one in found]

    done = _do(work, actor)
    if as_json:
        print_json(done)
    else:
        console().print(f"discarded: {', '.join(done) or 'nothing, no open letter is meant'}", markup=False)
