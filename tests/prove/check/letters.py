"""Dead letters are exactly the poisoned records: none missing, none for another reason, none changed.

And each that could be repaired was sent again once, as it was repaired, and ended as it should.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.prove.check.case import Case
from tests.prove.check.report import Violation
from tests.prove.check.road import ENDS, Entry, Place, digest

Json = dict[str, Any]
Name = tuple[str, str]
_SAID = (
    "version", "orig-topic", "orig-partition", "orig-offset", "orig-ts", "orig-key", "reason", "error-class",
    "attempts", "first-failed", "last-failed", "retriable", "replay-count",
)  # fmt: skip


def expected(case: Case) -> set[Name]:
    return {(one["letter"]["service"], one["letter"]["ce_id"]) for one in case.evidence.poison}


def actual(case: Case) -> dict[Name, list[Entry]]:
    """By service and event. A crash may leave two letters of one record: they say the same."""
    found: defaultdict[Name, list[Entry]] = defaultdict(list)
    for letter in case.road.letters:
        found[letter.topic.removeprefix("dlq."), letter.id].append(letter)
    return found


def check(case: Case) -> Iterator[Violation]:
    wanted, there = expected(case), actual(case)
    for text in (*_missing(wanted, there), *_uncalled(wanted, there), *_changed(case, there), *_replayed(case)):
        yield Violation("dead_letters", text)


def _missing(wanted: set[Name], there: dict[Name, list[Entry]]) -> Iterator[str]:
    for service, name in sorted(wanted - there.keys()):
        yield f"{service} has no dead letter of the poisoned record {name}"


def _uncalled(wanted: set[Name], there: dict[Name, list[Entry]]) -> Iterator[str]:
    for service, name in sorted(there.keys() - wanted):
        letter = there[service, name][0]
        yield f"{service} buried {name} of {letter.key}, which was not poisoned: {letter.headers.get('x-dlq-reason')}"


def _changed(case: Case, there: dict[Name, list[Entry]]) -> Iterator[str]:
    originals = {entry.place: entry for step in case.steps for entry in case.road.entries[step.topic]}
    for letter in (letter for letters in there.values() for letter in letters):
        if lacking := [name for name in _SAID if f"x-dlq-{name}" not in letter.headers]:
            yield f"the dead letter {letter} does not say: {', '.join(lacking)}"
            continue
        original = originals.get(_origin(case, letter))
        if original is None:
            yield f"the dead letter {letter} says that it comes from {_origin(case, letter)}, where nothing is"
        elif original.digest != letter.digest or original.key != letter.key:
            yield f"the dead letter {letter} is not, byte for byte, {original}"
        elif lost := [name for name, value in original.headers.items() if letter.headers.get(name) != value]:
            yield f"the dead letter {letter} lost headers of {original}: {', '.join(lost)}"


def _origin(case: Case, letter: Entry) -> Place:
    """The origin's topic is as the broker names it: with the installation's prefix."""
    said = letter.headers
    topic = next((step.topic for step in case.steps if said["x-dlq-orig-topic"].endswith(step.topic)), "")
    return topic, int(said["x-dlq-orig-partition"]), int(said["x-dlq-orig-offset"])


def _replayed(case: Case) -> Iterator[str]:
    """Nothing but what could be repaired was sent again; that was, and did what it should."""
    sent: defaultdict[Name, list[tuple[Entry, str]]] = defaultdict(list)
    for step in case.steps:
        for entry in case.road.entries[step.topic]:
            if entry.headers.get("x-replay-id"):
                ends = [hop.outcome for hop in case.road.of(step.service, entry) if hop.outcome in ENDS]
                sent[step.service, entry.headers.get("x-edited-from", "")].append((entry, ends[-1] if ends else ""))
    wanted = {(one["letter"]["service"], one["letter"]["ce_id"]): one for one in repairable(case)}
    for name, one in wanted.items():
        if len(sent[name]) != 1:
            yield f"the repaired {name[1]} was sent again {len(sent[name])} times"
        for entry, end in sent[name]:
            if entry.digest != digest(one["repaired"]) or end != one["ends"]:
                yield f"sent again, {entry} ended as {end or 'nothing'} instead of {one['ends']}, or is not as repaired"
    for name in sent.keys() - wanted.keys():
        yield f"{name[1] or sent[name][0][0]} was sent again, which nobody could repair"


def repairable(case: Case) -> list[Json]:
    """What of the poison was to be repaired in this run."""
    return [one for one in case.evidence.poison if case.evidence.settings.get("mends") and one["repaired"] is not None]
