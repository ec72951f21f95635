"""Connections in turns; records before replays, but for one turn in four."""

from __future__ import annotations

from shared.messaging.lanes.lane import Lane
from shared.messaging.lanes.scheduler import Rotation, Scheduler
from tests.support.messaging import a_record


def a_lane(name: str, *, connection: str = "main", waits: bool = True) -> Lane:
    lane = Lane(("orders", name), connection)
    if waits:
        lane.waiting.append(a_record(name))
    return lane


def names(rotation: Rotation) -> list[str]:
    taken = []
    while rotation:
        taken.append(rotation.take().key[1])
    return taken


def test_each_connection_has_its_turn() -> None:
    rotation = Rotation()
    for name, connection in (("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("b2", "b")):
        rotation.add(a_lane(name, connection=connection))

    assert names(rotation) == ["a1", "b1", "a2", "b2", "a3"]


def test_one_that_is_taken_out_leaves_the_others_their_places() -> None:
    rotation = Rotation()
    first, second, alone = a_lane("1"), a_lane("2"), a_lane("3", connection="other")
    for lane in (first, second, alone):
        rotation.add(lane)

    rotation.remove(first)
    rotation.remove(alone)

    assert names(rotation) == ["2"]
    assert not rotation


def test_of_four_turns_one_is_a_replays() -> None:
    turns = Scheduler(9)
    for number in range(9):
        turns.add(a_lane(f"live{number}"))
        turns.add(a_lane(f"replay{number}", waits=False))

    taken = [turns.take() for _ in range(8)]

    assert ["replay" in lane.key[1] for lane in taken if lane] == [False, False, False, True] * 2


def test_turns_without_a_replay_that_waits_are_not_counted() -> None:
    turns = Scheduler(9)
    for number in range(9):
        turns.add(a_lane(f"live{number}"))
    for _ in range(5):
        turns.take()
    turns.add(a_lane("replay", waits=False))

    taken = [turns.take() for _ in range(4)]

    assert [lane.key[1] for lane in taken if lane] == ["live5", "live6", "live7", "replay"]


def test_replays_wait_while_their_places_are_taken() -> None:
    turns = Scheduler(1)
    turns.add(a_lane("replay", waits=False))
    assert turns.is_ready
    turns.retry_began()

    assert not turns.is_ready
    assert turns.take() is None
    turns.retry_ended()
    assert turns.retries == 0
    assert turns.is_ready
    lane = turns.take()
    assert lane is not None
    assert lane.key[1] == "replay"
    assert not turns.is_ready
    assert turns.take() is None


def test_who_is_in_a_hurry_now_has_the_turn_of_a_record() -> None:
    turns = Scheduler(1)
    lane = a_lane("replay", waits=False)
    turns.add(lane)
    turns.retry_began()
    turns.move_to_live(lane)

    assert turns.take() is lane
    turns.retry_ended()
    assert turns.take() is None
