"""How letters and replays are told: tables for people, JSON for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson

from shared.messaging.dead_letters.reader import DeadLetter
from shared.operations.dead_letters.replay import Report
from shared.operations.dead_letters.selection import causes
from shared.runtime.output import ago, console, print_json, print_table, utc_now

Json = dict[str, Any]


def letters(found: Sequence[DeadLetter], *, each: bool, as_json: bool) -> None:
    if each and as_json:
        print_json([_told(letter) for letter in found])
    elif each:
        cells = [(one.id, one.entity, one.connection, one.subject, ago(one.at, utc_now()), one.reason) for one in found]
        columns = ("letter", "entity", "connection", "key", "since", "reason")
        print_table("", columns, cells, empty="no such dead letters")
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
    columns = ("letters", "service", "entity", "first", "last", "for example", "cause")
    print_table("", columns, cells, empty="no open dead letters")


def _told(letter: DeadLetter) -> Json:
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
        "error_class": letter.said("error-class"),
        "attempts": letter.said("attempts"),
        "first_failed": letter.said("first-failed"),
        "last_failed": letter.said("last-failed"),
        "origin": {"topic": topic, "partition": partition, "offset": offset},
        "replays": letter.replays,
        "bytes": len(letter.body or b""),
    }


def letter(found: DeadLetter, *, body: bool, as_json: bool) -> None:
    told = _told(found) | {"headers": found.named} | ({"body": _readable(found.body)} if body else {})
    if as_json:
        print_json(told)
        return
    for name, value in told.items():
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
        console().print("the body may hold personal data: --body shows it", markup=False)


def _readable(body: bytes | None) -> Any:
    try:
        return orjson.loads(body or b"")
    except orjson.JSONDecodeError:
        return (body or b"").decode("utf-8", "backslashreplace")


def rehearsal(told: Sequence[Json], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    out = console()
    for one in told:
        if "skipped" in one:
            out.print(f"{one['letter']}: not sent: {one['skipped']}", markup=False)
            continue
        out.print(f"{one['letter']} -> {one['topic']} as event {one['event']}", markup=False)
        if one.get("verdict", "apply") != "apply":
            out.print(f"    nothing would be written: {one['verdict']}", markup=False)
        for call in one["calls"]:
            out.print(
                f"    {call['method']} {call['path']} {orjson.dumps(call['body'], default=str).decode()}", markup=False
            )
        for name, text in (("then", one.get("then")), ("but", one.get("problem"))):
            if text:
                out.print(f"    {name}: {text}", markup=False)
    if not told:
        out.print("no such open dead letters")


def report(done: Report, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(done))
        return
    out = console()
    counts = ", ".join(f"{outcome} {count}" for outcome, count in Counter(done.sent.values()).most_common())
    out.print(f"replay {done.run}: {counts or 'nothing was sent'}", markup=False)
    for name, outcome in done.sent.items():
        if outcome in ("duplicate", "echo", "stale"):
            out.print(f"    {name}: {outcome}: it had been applied already, so this changed nothing", markup=False)
        elif outcome != "applied":
            out.print(f"    {name}: {outcome}", markup=False)
    for name, why in done.skipped.items():
        out.print(f"    {name}: not sent: {why}", markup=False)
    if done.skipped:
        out.print("what is of no more use: tillbridge dlq discard ID --because ...", markup=False)
    if done.left:
        out.print(f"stopped, {done.left} left: tillbridge dlq replay --resume {done.run} goes on", markup=False)
