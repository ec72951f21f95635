"""The state modules in memory, for tests that stop the writer at every await."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from shared.errors import NeedsReview
from shared.messaging.envelope import Envelope
from shared.messaging.topics import Topic
from shared.state.ledger import Claim, Effect
from shared.state.links import LinkRow
from shared.state.notes import Note, Noted, Outcome, Pair
from shared.state.standing import Standing
from shared.state.versions import Version
from tests.unit.services.heartland_writer.heartland import START, HandClock, Points


@dataclass
class Stored:
    """What survives a crash."""

    effects: dict[str, Claim] = field(default_factory=dict)
    named: dict[str, Effect] = field(default_factory=dict)
    links: dict[tuple[str, str, str], LinkRow] = field(default_factory=dict)
    versions: dict[tuple[str, str, str, str], Version] = field(default_factory=dict)
    reviews: dict[tuple[str, str, str, str], dict[str, Any]] = field(default_factory=dict)
    sent: list[tuple[Topic, Envelope]] = field(default_factory=list)

    def open_reviews(self) -> set[str]:
        return {name[1] for name, review in self.reviews.items() if review["state"] == "open"}


class MemoryLedger:
    def __init__(self, stored: Stored, clock: HandClock, points: Points) -> None:
        self._stored, self._clock, self._points = stored, clock, points

    async def claim(self, effect: Effect, intent: dict[str, Any] | None = None) -> Claim:
        return await self._points.at("ledger.claim", lambda: self.take(effect))

    def take(self, effect: Effect) -> Claim:
        self._stored.named[effect.id] = effect
        there = self._stored.effects.get(effect.id)
        if there is not None and there.state != "failed":
            return there
        attempts = there.attempts + 1 if there else 1
        self._stored.effects[effect.id] = Claim("in_doubt", None, self._clock.now(), attempts)
        return Claim("new", None, self._clock.now(), attempts)

    async def done(self, effect: Effect, result: dict[str, Any]) -> None:
        await self._points.at("ledger.done", lambda: self.note(Outcome(effect, result)))

    async def failed(self, effect: Effect, reason: str) -> None:
        await self._points.at("ledger.failed", lambda: self.note(Outcome(effect, None, reason)))

    def note(self, outcome: Outcome) -> None:
        state: Any = "done" if outcome.result is not None else "failed"
        result = dict(outcome.result) if outcome.result is not None else None
        there = self._stored.effects.get(outcome.effect.id)
        if there is None and result is not None:
            self._stored.named[outcome.effect.id] = outcome.effect
            there = Claim("in_doubt", None, self._clock.now(), 1)
        if there is not None and there.state != "done":
            self._stored.effects[outcome.effect.id] = Claim(state, result, there.sent_at, there.attempts)

    async def again(self, effect: Effect, seen: Claim | None = None) -> Claim:
        return await self._points.at("ledger.again", lambda: self._again(effect, seen))

    def _again(self, effect: Effect, seen: Claim | None) -> Claim:
        there = self._stored.effects[effect.id]
        if seen is not None and there.sent_at != seen.sent_at:
            return there
        self._stored.effects[effect.id] = Claim("in_doubt", None, self._clock.now(), there.attempts + 1)
        return Claim("new", None, self._clock.now(), there.attempts + 1)

    async def of_key(self, connection: str, entity: str, key: str) -> dict[str, Claim]:
        def do() -> dict[str, Claim]:
            named = {name: e for name, e in self._stored.named.items() if (e.entity, e.key) == (entity, key)}
            return {effect.operation: self._stored.effects[name] for name, effect in named.items()}

        return await self._points.at("ledger.of_key", do)


class MemoryStandings:
    def __init__(self, stored: Stored, points: Points) -> None:
        self._stored, self._points = stored, points

    async def get(self, connection: str, entity: str, key: str, target: str, customer_id: str = "") -> Standing:
        def do() -> Standing:
            buyer = self._stored.links.get((connection, "customer", customer_id))
            return Standing(
                self._stored.versions.get((connection, entity, key, target)),
                self._stored.links.get((connection, entity, key)),
                buyer.heartland_id if buyer else None,
            )

        return await self._points.at("standings.get", do)


class MemoryNotes:
    """One statement: all of it or nothing."""

    def __init__(self, stored: Stored, ledger: MemoryLedger, points: Points) -> None:
        self._stored, self._ledger, self._points = stored, ledger, points

    async def write(self, note: Note) -> Noted:
        return await self._points.at("notes.write", lambda: self._write(note))

    def _write(self, note: Note) -> Noted:
        noted = Noted([self._ledger.take(effect) for effect in note.claims])
        for outcome in note.outcomes:
            self._ledger.note(outcome)
        for pair in note.links:
            self._link(pair, noted)
        for mark in note.versions:
            there = self._stored.versions.get(mark[:4])
            if there is None or there.version <= mark.version.version:
                self._stored.versions[mark[:4]] = mark.version
        return noted

    def _link(self, pair: Pair, noted: Noted) -> None:
        rows = self._stored.links.values()
        same = [row for row in rows if (row.connection, row.entity) == (pair.connection, pair.entity)]
        if any((row.shopify_id == pair.shopify_id) != (row.heartland_id == pair.heartland_id) for row in same):
            error = NeedsReview("linked to another", kind="link_conflict", advice="Compare them.")
            noted.conflicts.append((pair, error))
            return
        self._stored.links.setdefault((pair.connection, pair.entity, pair.shopify_id), LinkRow(*pair, START))


class MemoryReviews:
    def __init__(self, stored: Stored, points: Points) -> None:
        self._stored, self._points = stored, points

    async def open(
        self, connection: str, kind: str, entity: str, key: str, title: str, advice: str, details: Any = None
    ) -> None:
        row = {"title": title, "advice": advice, "details": details, "state": "open"}
        await self._points.at(
            "reviews.open", lambda: self._stored.reviews.__setitem__((connection, kind, entity, key), row)
        )

    async def resolve(self, connection: str, entity: str, key: str, kinds: Iterable[str]) -> int:
        wanted = {(connection, kind, entity, key) for kind in kinds}
        found = [row for name, row in self._stored.reviews.items() if name in wanted and row["state"] == "open"]
        await self._points.at("reviews.resolve", lambda: [row.update(state="resolved") for row in found])
        return len(found)


class MemoryProducer:
    def __init__(self, stored: Stored, points: Points) -> None:
        self._stored, self._points = stored, points

    async def send(self, topic: Topic, envelope: Envelope, timeout_seconds: float | None = None) -> None:
        await self._points.at("producer.send", lambda: self._stored.sent.append((topic, envelope)))
