"""Selects dead letters, and groups them by cause. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.messaging.dead_letters.reader import DeadLetter, fate_of
from shared.state.dead_letter_status import Fate

# What differs between two reasons of one cause: ids, amounts, quoted values.
_VARIABLE_PARTS = re.compile(r"'[^']*'|\"[^\"]*\"|[+-]?#?\b\d[\d.,:]*\b|\b[0-9a-f]{8,}\b")


@dataclass(frozen=True, slots=True)
class Selection:
    """An empty field selects all.

    `order` is an order's id, or its number as in the body; `state` a status, or all.

    `keys` are further ids and events of that order.
    """

    ids: tuple[str, ...] = ()
    service: str = ""
    entity: str = ""
    reason: str = ""
    connection: str = ""
    order: str = ""
    since: datetime | None = None
    until: datetime | None = None
    state: str = "open"
    keys: frozenset[str] = frozenset()

    def takes(self, letter: DeadLetter, fate: Fate) -> bool:
        return (
            self.state in ("all", fate.state)
            and (not self.ids or letter.id in self.ids or letter.event_id in self.ids)
            and self.service in ("", letter.service)
            and self.entity in ("", letter.entity)
            and self.connection in ("", letter.connection)
            and self.reason.lower() in letter.reason.lower()
            and (not self.order or self._is_of_order(letter))
            and (self.since is None or letter.at >= self.since)
            and (self.until is None or letter.at <= self.until)
        )

    def _is_of_order(self, letter: DeadLetter) -> bool:
        number = self.order.removeprefix("#")
        if letter.subject == number or letter.subject in self.keys or letter.event_id in self.keys:
            return True
        name = re.compile(rb'"name"\s*:\s*"#?' + re.escape(number.encode()) + rb'"')
        return name.search(letter.body or b"") is not None


def choose(letters: Iterable[DeadLetter], fates: Mapping[str, Fate], selection: Selection) -> list[DeadLetter]:
    """The selected dead letters, oldest first."""
    return [letter for letter in letters if selection.takes(letter, fate_of(letter, fates))]


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Dead letters that failed for the same reason."""

    service: str
    entity: str
    reason: str
    letters: tuple[DeadLetter, ...]

    @property
    def example(self) -> str:
        return self.letters[-1].id

    @property
    def first(self) -> datetime:
        return min(letter.at for letter in self.letters)

    @property
    def last(self) -> datetime:
        return max(letter.at for letter in self.letters)


def generic_reason(reason: str) -> str:
    """The reason without ids, figures and quoted values, so that equal causes have equal text."""
    return _VARIABLE_PARTS.sub("…", reason)


def causes(letters: Sequence[DeadLetter]) -> list[FailureGroup]:
    """Dead letters grouped by cause, the most frequent first."""
    groups: dict[tuple[str, str, str], list[DeadLetter]] = {}
    for letter in letters:
        groups.setdefault((letter.service, letter.entity, generic_reason(letter.reason)), []).append(letter)
    found = [FailureGroup(*name, tuple(group)) for name, group in groups.items()]
    return sorted(found, key=lambda cause: (-len(cause.letters), cause.service, cause.reason))
