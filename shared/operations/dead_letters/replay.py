"""Replays dead letters: one as a canary, then the rest at a fixed rate; skips needless ones."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shared.canonical.hop import Hop
from shared.errors import Rejected
from shared.messaging.dead_letters.reader import DeadLetter, fate_of
from shared.operations.dead_letters.dead_letters import DeadLetterOperations, Sent, pause
from shared.operations.dead_letters.resend import Sending, again
from shared.operations.dead_letters.selection import Selection, choose

ON_ITS_WAY = "still being processed"
# After these outcomes the record is not written, and the next ones may fail likewise.
_NOT_WELL = {"dead_letter": "became a dead letter again", "parked": "was parked", "review": "needs a review"}


@dataclass(slots=True)
class ReplayReport:
    """Result of a replay: outcomes and skip reasons by dead letter.

    `left` is how many remain after a stop.
    """

    run: str
    sent: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    left: int = 0


async def select(operations: DeadLetterOperations, selection: Selection) -> list[DeadLetter]:
    """The dead letters of this selection, oldest first. Raises TargetDown."""
    if selection.order:
        selection = dataclasses.replace(selection, keys=await operations.keys_of(selection.order))
    letters, fates = await operations.read()
    return choose(letters, fates, selection)


async def to_replay(
    operations: DeadLetterOperations, selection: Selection, resume: str
) -> tuple[list[DeadLetter], dict[str, str]]:
    """The dead letters of a selection, or those left of the replay `resume`.

    And why some of these are skipped.

    Raises Rejected if none is left.
    """
    if not resume:
        return await select(operations, selection), {}
    left = await operations.statuses.left(resume)
    if not left:
        raise Rejected(f"nothing is left of the replay {resume}: all its dead letters were sent or skipped")
    letters, fates = await operations.read()
    there = {letter.id: letter for letter in letters}
    needless = {name: "Kafka deleted it: its retention is over" for name in left if name not in there}
    needless |= {
        name: "it was discarded" for name in left if name in there and fate_of(there[name], fates).state == "discarded"
    }
    return [there[name] for name in left if name not in needless], needless


async def ready(
    operations: DeadLetterOperations, letters: Sequence[DeadLetter], run: str, *, force: bool
) -> tuple[list[Sending], dict[str, str]]:
    """Those that can be sent, and why the others are skipped, by id."""
    sendings, skipped = [], {}
    for letter in letters:
        try:
            sending = again(letter, run, force=force)
        except Rejected as error:
            skipped[letter.id] = error.reason
            continue
        why = "" if force else await operations.needless(letter)
        if why:
            skipped[letter.id] = f"{why}: a replay would change nothing"
        else:
            sendings.append(sending)
    return sendings, skipped


async def replay(
    operations: DeadLetterOperations,
    run: str,
    sendings: Sequence[Sending],
    *,
    per_second: float,
    canary: bool,
    wait_seconds: float,
    stop: asyncio.Event,
    on_sent: Callable[[str], None],
) -> ReplayReport:
    """Send a canary and, when it ended well, the rest at a fixed rate.

    Setting `stop` stops it between two. Raises Rejected if the canary does not end well, or not in time.
    """
    report, sent, rest = ReplayReport(run), list[Sent](), list(sendings)
    if canary and rest:
        first = await operations.send(rest.pop(0), run)
        on_sent(first.id)
        sent.append(first)
        await _await_canary(operations, first, report, wait_seconds, stop, others=bool(rest))
    while rest and not stop.is_set():
        one = await operations.send(rest.pop(0), run)
        sent.append(one)
        on_sent(one.id)
        if rest and per_second:
            await pause(stop, 1 / per_second)
    report.left = len(rest)
    deadline = operations.in_seconds(wait_seconds)
    for one in sent:
        if one.id not in report.sent:
            hop = await operations.end_of(one, deadline, stop)
            report.sent[one.id] = hop.outcome if hop else ON_ITS_WAY
    await _settle(operations, sent, report)
    return report


async def _await_canary(
    operations: DeadLetterOperations,
    first: Sent,
    report: ReplayReport,
    seconds: float,
    stop: asyncio.Event,
    *,
    others: bool,
) -> None:
    """Wait for the end of the first one. Raises Rejected where the others must not follow."""
    hop = await operations.end_of(first, operations.in_seconds(seconds), stop)
    report.sent[first.id] = hop.outcome if hop else ON_ITS_WAY
    why = "" if stop.is_set() and hop is None else _not_well(first, hop, seconds, others=others)
    if why:
        await _settle(operations, [first], report)
        raise Rejected(f"{why}: nothing else was sent{_advice(report.run) if others else ''}")


def _advice(run: str) -> str:
    return f"; correct its cause, replay it alone, then send the others by `tillbridge dlq replay --resume {run}`"


def _not_well(first: Sent, hop: Hop | None, seconds: float, *, others: bool) -> str:
    """Why the rest must not follow; empty where it may. One that is parked alone is fine: it is retried."""
    if hop is None:
        return f"{first.id}, the first one, did not end within {seconds:.0f} s"
    if hop.outcome not in _NOT_WELL or (hop.outcome != "dead_letter" and not others):
        return ""
    return f"{first.id}, the first one, {_NOT_WELL[hop.outcome]} ({hop.detail})"


async def _settle(operations: DeadLetterOperations, sent: Sequence[Sent], report: ReplayReport) -> None:
    await operations.settle([one.sending.letter for one in sent if report.sent[one.id] != "dead_letter"])
