"""Disables a defence by patching the product's classes in a process that is about to start. See `DEFENCES`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from services.ingress import publisher
from shared.entities.fulfilment import poll_position as feed
from shared.messaging import record
from shared.messaging.consumer import outages
from shared.messaging.dead_letters import writer as dead_letter
from shared.messaging.kafka import producer
from shared.messaging.lanes import lanes, watermark
from shared.messaging.lanes.lane import synthetic
from shared.state import ledger, parked
from shared.sync import create_once, sync

LATE_SECONDS: Final = 12.0
_later: set[asyncio.Task[Any]] = set()


def replace_attribute(owner: Any, name: str, new: Any) -> Any:
    """Replaces an attribute; returns the original. Raises AttributeError if the product has no such attribute."""
    before = getattr(owner, name)
    setattr(owner, name, new)
    return before


def in_background(work: Any) -> None:
    """Runs a coroutine in a task that nobody awaits; its errors are ignored."""
    task = asyncio.ensure_future(_ignore_errors(work))
    _later.add(task)
    task.add_done_callback(_later.discard)


async def _ignore_errors(work: Any) -> None:
    with suppress(Exception):
        await work


def no_ledger() -> None:
    """The ledger forgets every effect: each claim is new."""

    async def claim(self: Any, effect: Any, intent: Any = None) -> ledger.Claim:
        return ledger.Claim("new", None, self._clock.now(), 1)

    async def of_key(*_: Any) -> dict[str, ledger.Claim]:
        return {}

    replace_attribute(ledger.Ledger, "claim", claim)
    replace_attribute(ledger.Ledger, "of_key", of_key)


def no_look_up() -> None:
    """A create in doubt is sent again without looking it up."""

    async def look_up(*_: Any) -> None:
        return None

    replace_attribute(create_once.CreateOnce, "_look_up", look_up)


def no_epochs() -> None:
    """A new assignment keeps the watermarks of the previous one, and zombies are not fenced."""

    async def owned(*_: Any) -> None:
        return None

    def assign(self: lanes.Lanes, places: Any) -> int:
        before = self._watermarks
        fresh(self)
        self._watermarks = {place: before.get(place) or watermark.Watermark() for place in places}
        return self.epoch

    def revoke(self: lanes.Lanes) -> None:
        kept = self._watermarks
        fresh(self)
        self._watermarks = kept

    fresh: Callable[[lanes.Lanes], None] = lanes.Lanes._forget
    replace_attribute(lanes.Lanes, "assign", assign)
    replace_attribute(lanes.Lanes, "revoke", revoke)
    # Reading an offset again is not noticed either.
    replace_attribute(lanes.Lanes, "went_back", lambda *_: False)
    replace_attribute(parked.Parked, "_owned", owned)


def no_park_lock() -> None:
    """Lanes forget parked keys, so later events of a parked key overtake it."""
    replace_attribute(lanes.Lanes, "park", lambda *_: None)


def no_parked_rows() -> None:
    """Parked records are kept in memory only."""

    async def park(*_: Any) -> None:
        return None

    replace_attribute(parked.Parked, "park", park)


def no_version_gate() -> None:
    """The record that arrives last is written, however old it is."""

    def newest(records: Sequence[Any], read: Callable[[bytes], Any]) -> tuple[Any, Any]:
        return records[-1], read(records[-1].envelope.body)

    replace_attribute(sync, "newest", newest)
    replace_attribute(sync, "gate", lambda *_, **__: "apply")


def no_echo_filter() -> None:
    """A state with the same content as the last written one is written again."""

    def gate(*given: Any, **named: Any) -> str:
        verdict = before(*given, **named)
        return "apply" if verdict in ("echo", "duplicate") else verdict

    before = replace_attribute(sync, "gate", gate)


def commit_when_taken() -> None:
    """An offset may be committed as soon as its record is taken."""

    def take(self: watermark.Watermark, offset: int, *more: Any) -> bool:
        is_new: bool = before(self, offset, *more)
        if is_new:
            self.position = offset + 1
        return is_new

    before = replace_attribute(watermark.Watermark, "take", take)


def late_dead_letters() -> None:
    """A dead letter is sent long after the offset of its record is committed."""

    async def send(self: Any, *given: Any) -> None:
        async def send_later() -> None:
            await asyncio.sleep(LATE_SECONDS)
            await before(self, *given)

        in_background(send_later())

    before = replace_attribute(dead_letter.DeadLetters, "send", send)


def no_resending() -> None:
    """Records that a failed producer held are treated as acknowledged."""

    async def replaced(self: producer.Producer, poisoned: Any) -> Any:
        for pending in (*self._unacked, *self._queue):
            pending.settle()
        self._unacked.clear()
        self._queue.clear()
        return await before(self, poisoned)

    before = replace_attribute(producer.Producer, "_replace", replaced)


def answer_at_once() -> None:
    """A webhook is acknowledged before the broker acknowledges its record."""

    async def publish(self: Any, notice: Any) -> None:
        in_background(before(self, notice))

    before = replace_attribute(publisher.Publisher, "publish", publish)


def no_poll_overlap() -> None:
    """Polls do not read again anything before the cursor."""
    replace_attribute(feed.PollPosition, "since", lambda self, _: self.newest)


def outages_count() -> None:
    """An outage of a vendor consumes the attempts of each event."""
    replace_attribute(outages.Outages, "is_own", lambda *_: True)


def late_hops() -> None:
    """Offsets are committed before the hops of their records are acknowledged."""

    def trace(self: Any, hop: Any) -> None:
        asyncio.get_running_loop().call_later(LATE_SECONDS / 3, before, self, hop)

    async def flush(*_: Any) -> None:
        return None

    before = replace_attribute(producer.Producer, "trace", trace)
    replace_attribute(producer.Producer, "flush", flush)


def no_lanes() -> None:
    """Records of one key are processed concurrently."""
    replace_attribute(lanes, "lane_key", lambda record: (record.topic, synthetic(record)))


def facts_as_states() -> None:
    """Of the waiting shipments of a key, only the newest is processed."""
    before = record.Route
    replace_attribute(record, "Route", lambda *given, **named: replace(before(*given, **named), collapse=True))


DEFENCES: Final[Mapping[str, Callable[[], None]]] = {
    "ledger": no_ledger,
    "in-doubt look-up": no_look_up,
    "epoch guard": no_epochs,
    "park lock": no_park_lock,
    "parked rows": no_parked_rows,
    "version gate": no_version_gate,
    "echo filter": no_echo_filter,
    "commit after done": commit_when_taken,
    "dead letter before commit": late_dead_letters,
    "producer replacement": no_resending,
    "webhook answer after the ack": answer_at_once,
    "poll overlap": no_poll_overlap,
    "outage pause": outages_count,
    "hops before commit": late_hops,
    "lanes": no_lanes,
    "facts are no states": facts_as_states,
}
