from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from shared.canonical.hop import Hop
from shared.errors import Rejected
from shared.messaging.dead_letters.reader import DeadLetter
from shared.operations.dead_letters.dead_letters import DeadLetterOperations, Sent
from shared.operations.dead_letters.replay import ON_ITS_WAY, ReplayReport, ready, replay, to_replay
from shared.operations.dead_letters.resend import Sending, again
from shared.operations.dead_letters.selection import Selection
from shared.state.dead_letter_status import Fate
from tests.support.journal import HOP
from tests.support.messaging import NOON
from tests.unit.shared.operations.dead_letters.letters import a_letter

LETTERS = [a_letter(number, subject=str(1000 + number)) for number in range(4)]
SENDINGS = [again(letter, "run") for letter in LETTERS]
NAMES = [letter.id for letter in LETTERS]


@dataclass
class FakeStatuses:
    unsent: list[str] = field(default_factory=list)

    async def left(self, _run: str) -> list[str]:
        return self.unsent


@dataclass
class FakeOperations:
    """Ends every event as `outcomes` says, applied otherwise; '' for never. Stops after `stop_after` sendings."""

    outcomes: dict[str, str] = field(default_factory=dict)
    stop_after: int = 1000
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    sent: list[str] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    fates: dict[str, Fate] = field(default_factory=dict)
    done: dict[str, str] = field(default_factory=dict)
    statuses: FakeStatuses = field(default_factory=FakeStatuses)

    async def send(self, sending: Sending, _run: str) -> Sent:
        self.sent.append(sending.letter.id)
        if len(self.sent) >= self.stop_after:
            self.stop.set()
        return Sent(sending)

    async def end_of(self, sent: Sent, _deadline: float, _stop: asyncio.Event) -> Hop | None:
        outcome = self.outcomes.get(sent.id, "applied")
        return HOP.model_copy(update={"outcome": outcome, "detail": "so it is"}) if outcome else None

    async def settle(self, letters: Sequence[DeadLetter]) -> None:
        self.settled += [letter.id for letter in letters]

    async def read(self) -> tuple[list[DeadLetter], dict[str, Fate]]:
        return LETTERS[:3], self.fates

    async def needless(self, letter: DeadLetter) -> str:
        return self.done.get(letter.id, "")

    def in_seconds(self, seconds: float) -> float:
        return seconds


def operations_of(fake: FakeOperations) -> DeadLetterOperations:
    return cast("DeadLetterOperations", fake)


async def run(fake: FakeOperations, sendings: Sequence[Sending] = SENDINGS, **changes: Any) -> ReplayReport:
    given: dict[str, Any] = {"per_second": 0.0, "canary": True, "wait_seconds": 1.0, "on_sent": lambda _: None}
    return await replay(operations_of(fake), "run", sendings, stop=fake.stop, **given | changes)


async def test_one_goes_first_and_the_rest_in_order() -> None:
    fake = FakeOperations()
    report = await run(fake)

    assert fake.sent == NAMES
    assert (report.sent, report.left) == (dict.fromkeys(NAMES, "applied"), 0)
    assert fake.settled == NAMES


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ("dead_letter", r"a dead letter again \(so it is\): nothing else"),
        ("parked", r"was parked \(so it is\): nothing else"),
        ("review", "needs a review"),
        ("", "did not end within 1 s"),
    ],
)
async def test_when_the_first_does_not_end_well_nothing_follows_and_it_says_how_to_go_on(
    outcome: str, said: str
) -> None:
    fake = FakeOperations({NAMES[0]: outcome})

    with pytest.raises(Rejected, match=said) as refused:
        await run(fake)
    assert fake.sent == NAMES[:1]
    assert "--resume run" in refused.value.reason


@pytest.mark.parametrize("outcome", ["parked", "review", "duplicate"])
async def test_a_single_letter_that_is_not_dead_again_is_no_failure(outcome: str) -> None:
    report = await run(FakeOperations({NAMES[0]: outcome}), SENDINGS[:1])

    assert report.sent == {NAMES[0]: outcome}


async def test_without_a_canary_a_bad_one_holds_up_none_and_its_alert_stays() -> None:
    fake = FakeOperations({NAMES[0]: "dead_letter", NAMES[1]: ""})
    report = await run(fake, canary=False)

    assert [report.sent[name] for name in NAMES] == ["dead_letter", ON_ITS_WAY, "applied", "applied"]
    assert fake.settled == NAMES[1:]


@pytest.mark.parametrize("canary", [True, False])
@pytest.mark.parametrize("after", [1, 2, 3])
async def test_a_stop_comes_between_two_and_says_how_many_are_left(after: int, canary: bool) -> None:
    fake = FakeOperations(stop_after=after)
    report = await run(fake, canary=canary)

    assert fake.sent == NAMES[:after]
    assert (report.left, list(report.sent)) == (len(NAMES) - after, NAMES[:after])


async def test_a_stop_does_not_wait_for_the_pace() -> None:
    async with asyncio.timeout(5):
        report = await run(FakeOperations(stop_after=1), canary=False, per_second=0.001)

    assert report.left == 3


async def test_a_stop_while_the_first_is_on_its_way_is_no_failure() -> None:
    report = await run(FakeOperations({NAMES[0]: ""}, stop_after=1))

    assert (report.sent, report.left) == ({NAMES[0]: ON_ITS_WAY}, 3)


async def test_what_is_left_of_a_replay_goes_on_in_its_order_without_what_is_needless_by_now() -> None:
    left = FakeStatuses([NAMES[2], NAMES[1], NAMES[0], NAMES[3]])
    fake = FakeOperations(fates={NAMES[1]: Fate("discarded")}, statuses=left)
    letters, needless = await to_replay(operations_of(fake), Selection(), "run")

    assert [letter.id for letter in letters] == [NAMES[2], NAMES[0]]
    assert needless == {NAMES[1]: "it was discarded", NAMES[3]: "Kafka deleted it: its retention is over"}


async def test_a_replay_of_which_nothing_is_left_says_so() -> None:
    with pytest.raises(Rejected, match="nothing is left"):
        await to_replay(operations_of(FakeOperations()), Selection(), "run")


async def test_what_was_applied_already_is_skipped_unless_forced() -> None:
    fake = FakeOperations(done={NAMES[1]: "a newer version of it was written since"})
    sendings, skipped = await ready(operations_of(fake), LETTERS, "run", force=False)
    forced, none = await ready(operations_of(fake), LETTERS, "run", force=True)

    assert [sending.letter.id for sending in sendings] == [NAMES[0], *NAMES[2:]]
    assert "newer version" in skipped[NAMES[1]]
    assert (len(forced), none) == (4, {})


OLD = HOP.model_copy(update={"outcome": "dead_letter", "started_at": NOON, "finished_at": NOON})
NEW = OLD.model_copy(update={"outcome": "applied"})
BEFORE = OLD.model_copy(update={"started_at": NOON.replace(hour=11)})


@pytest.mark.parametrize(
    ("known", "hops", "expected"),
    [
        pytest.param((), [], None, id="none yet"),
        pytest.param((OLD,), [OLD], None, id="an end that it had before"),
        pytest.param((OLD,), [OLD, NEW], NEW, id="a new one"),
        pytest.param((), [BEFORE], None, id="its failure, told of late"),
        pytest.param((), [NEW.model_copy(update={"outcome": "retrying"})], None, id="not an end"),
    ],
)
def test_the_end_is_the_one_that_came_of_this_sending(
    known: tuple[Hop, ...], hops: list[Hop], expected: Hop | None
) -> None:
    assert Sent(SENDINGS[0], known).end(hops) == expected
