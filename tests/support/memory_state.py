"""The state modules in memory, for tests that interrupt a writer at every await."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.errors import NeedsReview
from shared.messaging.envelope import Envelope
from shared.messaging.topics import Topic
from shared.state.atomic_write import LinkPair, WriteAnswer, WriteSet
from shared.state.links import LinkRow
from shared.state.target_state import TargetState
from shared.state.versions import Version
from tests.support.memory_ledger import Effects, MemoryLedger

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


class Points:
    """Every await of the writer passes here; `strike(number, name, after)` may raise before or after its effect."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        # The priorities at which Heartland was called.
        self.priorities: set[str] = set()
        self.strike: Callable[[int, str, bool], None] = lambda number, name, after: None

    async def at(self, name: str, do: Callable[[], Any]) -> Any:
        self.passed.append(name)
        number = len(self.passed)
        self.strike(number, name, False)
        result = do()
        self.strike(number, name, True)
        return result


@dataclass
class Stored(Effects):
    """The state that survives a crash."""

    links: dict[tuple[str, str, str], LinkRow] = field(default_factory=dict)
    versions: dict[tuple[str, str, str, str], Version] = field(default_factory=dict)
    reviews: dict[tuple[str, str, str, str], dict[str, Any]] = field(default_factory=dict)
    sent: list[tuple[Topic, Envelope]] = field(default_factory=list)

    def open_reviews(self) -> set[str]:
        return {name[1] for name, review in self.reviews.items() if review["state"] == "open"}


class MemoryTargetStates:
    def __init__(self, stored: Stored, points: Points) -> None:
        self._stored, self._points = stored, points

    async def get(self, connection: str, entity: str, key: str, target: str, customer_id: str = "") -> TargetState:
        def do() -> TargetState:
            buyer = self._stored.links.get((connection, "customer", customer_id))
            return TargetState(
                self._stored.versions.get((connection, entity, key, target)),
                self._stored.links.get((connection, entity, key)),
                buyer.heartland_id if buyer else None,
            )

        return await self._points.at("target_states.get", do)


class MemoryAtomicWriter:
    """Applies a write set atomically."""

    def __init__(self, stored: Stored, ledger: MemoryLedger, points: Points) -> None:
        self._stored, self._ledger, self._points = stored, ledger, points

    async def write(self, write_set: WriteSet) -> WriteAnswer:
        return await self._points.at("atomic_write", lambda: self._write(write_set))

    def _write(self, write_set: WriteSet) -> WriteAnswer:
        answer = WriteAnswer({effect: self._ledger.take(effect, intent) for effect, intent in write_set.claims.items()})
        for outcome in write_set.outcomes:
            self._ledger.settle(outcome.effect, outcome.result, outcome.seen)
        for pair in write_set.links:
            self._link(pair, answer)
        for one in write_set.openings:
            row = {"title": one.title, "advice": one.advice, "details": one.details, "state": "open"}
            self._stored.reviews[one[:4]] = row
        for closing in write_set.closings:
            for kind in closing.kinds:
                self._resolve((closing.connection, kind, closing.entity, closing.key))
        for mark in write_set.versions:
            there = self._stored.versions.get(mark[:4])
            if there is None or there.version <= mark.version.version:
                self._stored.versions[mark[:4]] = mark.version
        return answer

    def _resolve(self, name: tuple[str, str, str, str]) -> None:
        if name in self._stored.reviews and self._stored.reviews[name]["state"] == "open":
            self._stored.reviews[name]["state"] = "resolved"

    def _link(self, pair: LinkPair, answer: WriteAnswer) -> None:
        rows = self._stored.links.values()
        name = (pair.connection, pair.entity, pair.shopify_id)
        there = self._stored.links.get(name)
        if pair.instead_of and there and there.heartland_id == pair.instead_of:
            del self._stored.links[name]
        same = [row for row in rows if (row.connection, row.entity) == (pair.connection, pair.entity)]
        if any((row.shopify_id == pair.shopify_id) != (row.heartland_id == pair.heartland_id) for row in same):
            error = NeedsReview("linked to another", kind="link_conflict", advice="Compare them.")
            answer.conflicts.append((pair, error))
            return
        self._stored.links.setdefault((pair.connection, pair.entity, pair.shopify_id), LinkRow(*pair[:5], START))


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
