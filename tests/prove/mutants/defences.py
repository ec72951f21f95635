"""Each defence, and how it is switched off in a process that is about to start. See `DEFENCES` at the end."""

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


def put(owner: Any, name: str, new: Any) -> Any:
    """Puts `new` in the place of what is there; gives that. Raises AttributeError where the product has renamed it."""
    before = getattr(owner, name)
    setattr(owner, name, new)
    return before


def by_and_by(work: Any) -> None:
    """Nobody waits for it, nobody hears of its end."""
    task = asyncio.ensure_future(_unheard(work))
    _later.add(task)
    task.add_done_callback(_later.discard)


async def _unheard(work: Any) -> None:
    with suppress(Exception):
        await work


def no_ledger() -> None:
    """What was sent is remembered nowhere: every claim is new."""

    async def claim(self: Any, effect: Any, intent: Any = None) -> ledger.Claim:
        return ledger.Claim("new", None, self._clock.now(), 1)

    async def of_key(*_: Any) -> dict[str, ledger.Claim]:
        return {}

    put(ledger.Ledger, "claim", claim)
    put(ledger.Ledger, "of_key", of_key)


def no_look_up() -> None:
    """A call whose outcome is unknown is simply made again."""

    async def look_up(*_: Any) -> None:
        return None

    put(create_once.CreateOnce, "_look_up", look_up)


def no_epochs() -> None:
    """An assignment goes on with the watermarks of the one before; nobody is fenced off."""

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
    put(lanes.Lanes, "assign", assign)
    put(lanes.Lanes, "revoke", revoke)
    # Nor does anybody see that it reads again what it took before.
    put(lanes.Lanes, "went_back", lambda *_: False)
    put(parked.Parked, "_owned", owned)


def no_park_lock() -> None:
    """A parked key is not remembered: its later events go past it."""
    put(lanes.Lanes, "park", lambda *_: None)


def no_parked_rows() -> None:
    """What is parked waits in memory only."""

    async def park(*_: Any) -> None:
        return None

    put(parked.Parked, "park", park)


def no_version_gate() -> None:
    """What comes last is written, however old it is."""

    def newest(records: Sequence[Any], read: Callable[[bytes], Any]) -> tuple[Any, Any]:
        return records[-1], read(records[-1].envelope.body)

    put(sync, "newest", newest)
    put(sync, "gate", lambda *_, **__: "apply")


def no_echo_filter() -> None:
    """What says the same as what was written is written again."""

    def gate(*given: Any, **named: Any) -> str:
        verdict = before(*given, **named)
        return "apply" if verdict in ("echo", "duplicate") else verdict

    before = put(sync, "gate", gate)


def commit_when_taken() -> None:
    """An offset may pass as soon as its record is taken."""

    def take(self: watermark.Watermark, offset: int, *more: Any) -> bool:
        is_new: bool = before(self, offset, *more)
        if is_new:
            self.position = offset + 1
        return is_new

    before = put(watermark.Watermark, "take", take)


def late_dead_letters() -> None:
    """A dead letter is sent after its record has passed, by and by."""

    async def send(self: Any, *given: Any) -> None:
        async def send_later() -> None:
            await asyncio.sleep(LATE_SECONDS)
            await before(self, *given)

        by_and_by(send_later())

    before = put(dead_letter.DeadLetters, "send", send)


def no_second_sending() -> None:
    """What a failed producer held is forgotten, as if it had been acknowledged."""

    async def replaced(self: producer.Producer, poisoned: Any) -> Any:
        for pending in (*self._unacked, *self._queue):
            pending.settle()
        self._unacked.clear()
        self._queue.clear()
        return await before(self, poisoned)

    before = put(producer.Producer, "_replace", replaced)


def answer_at_once() -> None:
    """A webhook is acknowledged before the broker has it."""

    async def publish(self: Any, notice: Any) -> None:
        by_and_by(before(self, notice))

    before = put(publisher.Publisher, "publish", publish)


def no_poll_overlap() -> None:
    """Nothing before the cursor is read again."""
    put(feed.PollPosition, "since", lambda self, _: self.newest)


def outages_count() -> None:
    """A vendor that is down as a whole uses up the attempts of each event."""
    put(outages.Outages, "is_own", lambda *_: True)


def hops_by_and_by() -> None:
    """Offsets are committed although nobody has heard what became of the records."""

    def trace(self: Any, hop: Any) -> None:
        asyncio.get_running_loop().call_later(LATE_SECONDS / 3, before, self, hop)

    async def flush(*_: Any) -> None:
        return None

    before = put(producer.Producer, "trace", trace)
    put(producer.Producer, "flush", flush)


def no_lanes() -> None:
    """Records of one key run side by side."""
    put(lanes, "lane_key", lambda record: (record.topic, synthetic(record)))


def facts_as_states() -> None:
    """Of the shipments that wait, only the newest is carried out."""
    before = record.Route
    put(record, "Route", lambda *given, **named: replace(before(*given, **named), collapse=True))


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
    "producer replacement": no_second_sending,
    "webhook answer after the ack": answer_at_once,
    "poll overlap": no_poll_overlap,
    "outage pause": outages_count,
    "hops before commit": hops_by_and_by,
    "lanes": no_lanes,
    "facts are no states": facts_as_states,
}
