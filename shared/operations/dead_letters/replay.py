"""A replay over many letters: which are meant, which are worth sending, one first, then the rest at a steady pace."""

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

ON_ITS_WAY = "still on its way"
# After these the record is not written, and nothing says that the next ones will be.
_NOT_WELL = {"dead_letter": "is a dead letter again", "parked": "is parked", "review": "needs a review"}


@dataclass(slots=True)
class Report:
    """What became of a replay: outcomes by letter, what was left out, with the reason; `left` when it was stopped."""

    run: str
    sent: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    left: int = 0


async def chosen(desk: DeadLetterOperations, selection: Selection) -> list[DeadLetter]:
    if selection.order:
        selection = dataclasses.replace(selection, keys=await desk.keys_of(selection.order))
    letters, fates = await desk.read()
    return choose(letters, fates, selection)


async def meant(
    desk: DeadLetterOperations, selection: Selection, resume: str
) -> tuple[list[DeadLetter], dict[str, str]]:
    """The letters of a selection, or what is left of the replay `resume`; and what became needless since it began.

    Raises Rejected where nothing is left.
    """
    if not resume:
        return await chosen(desk, selection), {}
    left = await desk.book.left(resume)
    if not left:
        raise Rejected(f"nothing is left of the replay {resume}")
    letters, fates = await desk.read()
    there = {letter.id: letter for letter in letters}
    needless = {name: "its topic does not keep it any more" for name in left if name not in there}
    needless |= {
        name: "it was discarded" for name in left if name in there and fate_of(there[name], fates).state == "discarded"
    }
    return [there[name] for name in left if name not in needless], needless


async def ready(
    desk: DeadLetterOperations, letters: Sequence[DeadLetter], run: str, *, force: bool
) -> tuple[list[Sending], dict[str, str]]:
    """What can be sent, and what need not or cannot be, with the reason."""
    sendings, skipped = [], {}
    for letter in letters:
        try:
            sending = again(letter, run, force=force)
        except Rejected as error:
            skipped[letter.id] = error.reason
            continue
        why = "" if force else await desk.superseded(letter)
        if why:
            skipped[letter.id] = f"{why}: sending it again would change nothing"
        else:
            sendings.append(sending)
    return sendings, skipped


async def replay(
    desk: DeadLetterOperations,
    run: str,
    sendings: Sequence[Sending],
    *,
    per_second: float,
    canary: bool,
    wait_seconds: float,
    stop: asyncio.Event,
    told: Callable[[str], None],
) -> Report:
    """One first, and when it ends well, the rest at a steady pace. Between two it stops when `stop` is set.

    Raises Rejected when the first one does not end well, or not in time.
    """
    report, sent, rest = Report(run), list[Sent](), list(sendings)
    if canary and rest:
        first = await desk.send(rest.pop(0), run)
        told(first.id)
        hop = await desk.end_of(first, desk.in_seconds(wait_seconds), stop)
        report.sent[first.id] = hop.outcome if hop else ON_ITS_WAY
        why = "" if stop.is_set() and hop is None else _not_well(first, hop, wait_seconds, others=bool(rest))
        if why:
            await _settle(desk, [first], report)
            more = (
                f"; when that is seen to, replay it by itself and go on with the others by --resume {run}"
                if rest
                else ""
            )
            raise Rejected(f"{why}: nothing else was sent{more}")
        sent.append(first)
    while rest and not stop.is_set():
        one = await desk.send(rest.pop(0), run)
        sent.append(one)
        told(one.id)
        if rest and per_second:
            await pause(stop, 1 / per_second)
    report.left = len(rest)
    deadline = desk.in_seconds(wait_seconds)
    for one in sent:
        if one.id not in report.sent:
            hop = await desk.end_of(one, deadline, stop)
            report.sent[one.id] = hop.outcome if hop else ON_ITS_WAY
    await _settle(desk, sent, report)
    return report


def _not_well(first: Sent, hop: Hop | None, seconds: float, *, others: bool) -> str:
    """Why the rest should not follow; empty where it may. What is parked alone is on its way, and no complaint."""
    if hop is None:
        return f"{first.id}, sent first, did not end within {seconds:.0f} s"
    if hop.outcome not in _NOT_WELL or (hop.outcome != "dead_letter" and not others):
        return ""
    return f"{first.id}, sent first, {_NOT_WELL[hop.outcome]} ({hop.detail})"


async def _settle(desk: DeadLetterOperations, sent: Sequence[Sent], report: Report) -> None:
    await desk.settle([one.sending.letter for one in sent if report.sent[one.id] != "dead_letter"])
