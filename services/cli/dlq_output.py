"""Prints dead letters and replays: tables for people, JSON for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from shared.messaging.dead_letters.reader import DeadLetter
from shared.operations.dead_letters.dry_run import DryRun
from shared.operations.dead_letters.replay import ReplayReport
from shared.operations.dead_letters.selection import causes
from shared.runtime.output import ago, console, print_json, print_table, utc_now

Json = dict[str, Any]


def letters(found: Sequence[DeadLetter], *, each: bool, as_json: bool) -> None:
    if each and as_json:
        print_json([_summary(letter) for letter in found])
    elif each:
        cells = [(one.id, one.entity, one.connection, one.subject, ago(one.at, utc_now()), one.reason) for one in found]
        columns = ("dead letter", "entity", "connection", "key", "since", "reason")
        print_table("", columns, cells, empty="no dead letter matches")
    else:
        _causes(found, as_json=as_json)


def _causes(found: Sequence[DeadLetter], *, as_json: bool) -> None:
    groups = causes(found)
    if as_json:
        print_json(
            [
                {
                    "service": cause.service,
                    "entity": cause.entity,
                    "reason": cause.reason,
                    "count": len(cause.letters),
                    "first": cause.first,
                    "last": cause.last,
                    "letters": [letter.id for letter in cause.letters],
                }
                for cause in groups
            ]
        )
        return
    now = utc_now()
    cells = [
        (len(one.letters), one.service, one.entity, ago(one.first, now), ago(one.last, now), one.example, one.reason)
        for one in groups
    ]
    columns = ("count", "service", "entity", "first", "last", "example", "cause")
    print_table("", columns, cells, empty="no dead letter matches")


def _summary(letter: DeadLetter) -> Json:
    """All but the body."""
    topic, partition, offset = letter.origin
    return {
        "id": letter.id,
        "at": letter.at,
        "service": letter.service,
        "connection": letter.connection,
        "entity": letter.entity,
        "key": letter.subject,
        "event": letter.event_id,
        "reason": letter.reason,
        "error_class": letter.own_header("error-class"),
        "attempts": letter.own_header("attempts"),
        "first_failed": letter.own_header("first-failed"),
        "last_failed": letter.own_header("last-failed"),
        "origin": {"topic": topic, "partition": partition, "offset": offset},
        "replays": letter.replays,
        "bytes": len(letter.body or b""),
    }


def letter(found: DeadLetter, *, body: bool, as_json: bool) -> None:
    summary = _summary(found) | {"headers": found.named} | ({"body": _readable(found.body)} if body else {})
    if as_json:
        print_json(summary)
        return
    for name, value in summary.items():
        if name == "body":
            console().print("body:", markup=False)
            print_json(value) if not isinstance(value, str) else console().print(value, markup=False)
        elif isinstance(value, dict):
            console().print(f"{name}:", markup=False)
            for inner, text in value.items():
                console().print(f"  {inner}: {text}", markup=False)
        else:
            console().print(f"{name}: {value}", markup=False)
    if not body:
        console().print("--body shows the body; it may hold personal data", markup=False)


def _readable(body: bytes | None) -> Any:
    try:
        return orjson.loads(body or b"")
    except orjson.JSONDecodeError:
        return (body or b"").decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A dead letter that a replay skips, and why."""

    letter: str
    skipped: str


def dry_runs(found: Sequence[DryRun | Skipped], *, as_json: bool) -> None:
    if as_json:
        # Exact money in the bodies of calls becomes text.
        print_json(orjson.loads(orjson.dumps([asdict(one) for one in found], default=str)))
        return
    for one in found:
        for line in _skipped_lines(one) if isinstance(one, Skipped) else dry_run_lines(one):
            console().print(line, markup=False)
    if not found:
        console().print("no open dead letter matches")


def _skipped_lines(one: Skipped) -> list[str]:
    return [f"{one.letter}: not sent: {one.skipped}"]


def dry_run_lines(one: DryRun) -> list[str]:
    """What a replay of this dead letter would do."""
    lines = [f"{one.letter} -> {one.topic} as event {one.event}"]
    if one.verdict not in ("", "apply"):
        lines.append(f"    nothing would be written: {one.verdict}")
    for call in one.calls:
        lines.append(f"    {call['method']} {call['path']} {orjson.dumps(call['body'], default=str).decode()}")
    if one.is_read_again:
        lines.append(f"    {one.service} would read {one.entity} {one.key} again and process it as it is then")
    if one.problem:
        lines.append(f"    it would fail: {one.problem}")
    return lines


def report(done: ReplayReport, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(done))
        return
    out = console()
    counts = ", ".join(f"{outcome} {count}" for outcome, count in Counter(done.sent.values()).most_common())
    out.print(f"replay {done.run}: {counts or 'nothing was sent'}", markup=False)
    for name, outcome in done.sent.items():
        if outcome in ("duplicate", "echo", "stale"):
            out.print(f"    {name}: {outcome}: it was written before, the replay changed nothing", markup=False)
        elif outcome != "applied":
            out.print(f"    {name}: {outcome}", markup=False)
    for name, why in done.skipped.items():
        out.print(f"    {name}: not sent: {why}", markup=False)
    if done.skipped:
        out.print("discard those that are not needed any more: tillbridge dlq discard ID --because ...", markup=False)
    if done.left:
        out.print(f"stopped, {done.left} left; resume by: tillbridge dlq replay --resume {done.run}", markup=False)
