from __future__ import annotations

from collections.abc import Iterator

from shared.messaging.lanes.lane import Kind, Work, key_text, lane_key
from shared.messaging.lanes.lanes import Lanes
from shared.messaging.record import Record, Unreadable
from tests.support.messaging import a_record

ORDERS = ("orders", 0)


def lanes(*, collapse: bool = False, concurrency: int = 4, max_records: int = 100, max_bytes: int = 10**6) -> Lanes:
    made = Lanes({"orders": collapse}, concurrency=concurrency, max_records=max_records, max_bytes=max_bytes)
    made.assign([ORDERS])
    made.open()
    return made


def filled(made: Lanes, *subjects: str) -> Lanes:
    for offset, subject in enumerate(subjects):
        assert made.add(a_record(subject, offset))
    return made


def started(made: Lanes) -> Iterator[Work]:
    while (work := made.next()) is not None:
        yield work


def offsets(work: Work) -> list[int]:
    return [record.offset for record in work.records]


def test_different_keys_run_at_once_and_one_key_one_at_a_time() -> None:
    made = filled(lanes(), "a", "b", "a")

    first = list(started(made))
    assert [offsets(work) for work in first] == [[0], [1]]
    made.finish(first[0])
    assert [offsets(work) for work in started(made)] == [[2]]


def test_no_more_run_than_the_concurrency_allows() -> None:
    made = filled(lanes(concurrency=2), "a", "b", "c")

    first = list(started(made))
    assert len(first) == 2
    made.finish(first[0])
    assert len(list(started(made))) == 1


def test_a_collapsing_topic_hands_over_all_that_waits_for_a_key() -> None:
    made = filled(lanes(collapse=True), "a", "a", "b", "a")

    assert [offsets(work) for work in started(made)] == [[0, 1, 3], [2]]


def test_what_rests_comes_back_first_and_together_with_what_arrived_meanwhile() -> None:
    made = filled(lanes(collapse=True), "a", "a")
    work = next(started(made))
    made.rest(work)
    assert made.running == 0
    made.add(a_record("a", 2))
    assert made.next() is None

    made.wake(work)
    again = next(started(made))
    assert offsets(again) == [0, 1, 2]


def test_a_resting_key_takes_no_slot_from_others() -> None:
    made = filled(lanes(concurrency=1), "a", "b")
    made.rest(next(started(made)))

    assert [work.key[1] for work in started(made)] == ["main|b"]


def test_the_watermark_waits_for_the_slowest_key() -> None:
    made = filled(lanes(), "a", "b")
    slow, quick = started(made)
    made.finish(quick)
    assert made.positions() == {ORDERS: 0}

    made.finish(slow)
    assert made.positions() == {ORDERS: 2}
    assert len(made) == 0


def test_work_of_a_past_assignment_is_ignored() -> None:
    made = filled(lanes(), "a")
    straggler = next(started(made))
    made.revoke()
    made.assign([ORDERS])
    made.open()
    made.add(a_record("a", 0))

    assert not made.finish(straggler)
    assert not made.rest(straggler)
    assert not made.wake(straggler)
    assert made.positions() == {ORDERS: 0}
    assert made.running == 0


def test_nothing_starts_before_the_parked_keys_are_known() -> None:
    made = Lanes({"orders": False}, concurrency=4, max_records=10, max_bytes=10**6)
    made.assign([ORDERS])
    made.add(a_record("a", 0))
    assert made.next() is None

    made.park(("orders", "main|a"))
    made.open()
    assert next(started(made)).kind is Kind.APPEND


def test_nothing_starts_on_hold() -> None:
    made = filled(lanes(), "a")
    made.hold()

    assert made.next() is None
    assert not made.is_ready


def test_a_partition_that_is_not_ours_is_not_taken() -> None:
    made = lanes()

    assert not made.add(a_record("a", 0, partition=7))


def test_records_of_a_parked_key_are_appended_all_at_once() -> None:
    made = lanes()
    made.park(("orders", "main|a"))
    filled(made, "a", "b", "a")

    assert [(work.kind, offsets(work)) for work in started(made)] == [(Kind.APPEND, [0, 2]), (Kind.RUN, [1])]


def test_what_arrives_for_a_due_key_joins_what_is_parked_before_its_retry() -> None:
    made = lanes()
    made.retry_parked(("orders", "main|a"), "main")
    filled(made, "a")

    append = next(started(made))
    assert (append.kind, offsets(append)) == (Kind.APPEND, [0])
    made.finish(append)
    replay = next(started(made))
    assert (replay.kind, replay.records) == (Kind.RETRY_PARKED, [])
    made.unpark(replay.key)
    made.finish(replay)
    assert len(made) == 0


def test_what_arrives_during_a_replay_runs_after_it() -> None:
    made = lanes()
    made.retry_parked(("orders", "main|a"), "main")
    replay = next(started(made))
    filled(made, "a")
    assert made.next() is None

    made.unpark(replay.key)
    made.finish(replay)
    assert [(work.kind, offsets(work)) for work in started(made)] == [(Kind.RUN, [0])]


def due(made: Lanes, count: int) -> Lanes:
    for number in range(count):
        made.retry_parked(("orders", f"main|parked-{number}"), "main")
    return made


def test_replays_take_half_of_the_slots_at_most() -> None:
    made = due(lanes(concurrency=4), 9)
    running = list(started(made))
    assert [work.kind for work in running] == [Kind.RETRY_PARKED] * 2
    assert not made.is_ready

    filled(made, "a", "b", "c")
    assert [work.kind for work in started(made)] == [Kind.RUN] * 2
    made.finish(running[0])
    assert [work.kind for work in started(made)] == [Kind.RUN]


def test_records_go_before_replays_but_for_one_turn_in_four() -> None:
    made = filled(due(lanes(concurrency=100), 3), *"abcdefgh")

    kinds = ["replay" if work.kind is Kind.RETRY_PARKED else "run" for work in started(made)]
    assert kinds == ["run", "run", "run", "replay", "run", "run", "run", "replay", "run", "run", "replay"]


def test_a_record_for_a_key_that_waits_for_its_replay_does_not_wait_with_it() -> None:
    made = due(lanes(concurrency=1), 2)
    filled(made, "parked-1")

    assert next(started(made)).kind is Kind.APPEND


def test_a_replay_that_ends_or_rests_gives_its_place_to_the_next() -> None:
    made = due(lanes(concurrency=2), 3)
    first = next(started(made))
    assert made.next() is None
    made.rest(first)
    second = next(started(made))
    made.finish(second)

    assert next(started(made)).kind is Kind.RETRY_PARKED


def test_abandoned_work_frees_its_slot_and_leaves_its_records_unfinished() -> None:
    made = filled(lanes(concurrency=1), "a", "a", "b")
    made.abandon(next(started(made)))

    other = next(started(made))
    assert other.key[1] == "main|b"
    made.finish(other)
    assert made.next() is None
    assert made.positions() == {ORDERS: 0}


def test_a_key_that_is_due_while_it_is_replayed_is_not_replayed_twice() -> None:
    made = lanes()
    made.retry_parked(("orders", "main|a"), "main")
    replay = next(started(made))
    made.retry_parked(("orders", "main|a"), "main")

    made.finish(replay)
    assert made.next() is None
    assert len(made) == 0


def test_a_due_key_that_nobody_told_of_is_parked_from_then_on() -> None:
    made = lanes()
    made.retry_parked(("orders", "main|a"), "main")
    made.finish(next(started(made)))
    made.add(a_record("a", 0))

    assert next(started(made)).kind is Kind.APPEND


def test_a_replay_that_rests_is_a_replay_again() -> None:
    made = lanes()
    made.retry_parked(("orders", "main|a"), "main")
    replay = next(started(made))
    made.rest(replay)
    assert made.next() is None

    made.wake(replay)
    assert next(started(made)).kind is Kind.RETRY_PARKED


def test_an_unreadable_record_has_a_lane_of_its_own_and_holds_the_watermark() -> None:
    made = lanes()
    made.add_unreadable(Unreadable("orders", 0, 0, 1, b"main|a", (), b"{", "no"))
    made.add(a_record("a", 1))

    bury, run = started(made)
    assert (bury.kind, run.kind) == (Kind.UNREADABLE, Kind.RUN)
    made.finish(run)
    assert made.positions() == {ORDERS: 0}
    made.finish(bury)
    assert made.positions() == {ORDERS: 2}


def test_records_without_a_key_do_not_wait_for_each_other() -> None:
    made = lanes()
    for offset in range(2):
        record = a_record("a", offset)
        record.key = None
        made.add(record)

    assert len(list(started(made))) == 2


def test_connections_take_turns() -> None:
    made = lanes(concurrency=100)
    for offset in range(4):
        made.add(a_record(f"big-{offset}", offset, connection="big"))
    made.add(a_record("one", 4, connection="small"))

    assert [work.lane.connection for work in started(made)] == ["big", "small", "big", "big", "big"]


def test_a_batch_goes_back_within_its_own_partition_and_assignment_only() -> None:
    made = filled(lanes(), "a", "b")

    assert [made.went_back(ORDERS, offset) for offset in (0, 1, 2)] == [True, True, False]
    assert not made.went_back(("orders", 1), 0)
    made.assign([ORDERS])
    assert not made.went_back(ORDERS, 0)


def test_a_partition_is_full_by_records_and_has_room_again_at_half() -> None:
    made = filled(lanes(max_records=4, concurrency=9), "a", "b", "c", "d")
    assert made.is_full(ORDERS)
    works = list(started(made))

    made.finish(works[0])
    assert not made.has_room(ORDERS)
    made.finish(works[1])
    made.finish(works[2])
    assert made.has_room(ORDERS)


def test_a_partition_is_full_by_bytes() -> None:
    made = lanes(max_bytes=5_000)
    made.add(a_record("a", 0, body=b"x" * 5_000))

    assert made.is_full(ORDERS)


def test_the_oldest_record_tells_the_lag() -> None:
    made = filled(lanes(), "a", "b")
    assert made.oldest("orders") == 1_000

    made.finish(next(started(made)))
    assert made.oldest("orders") == 1_001


def test_lanes_that_are_done_leave_nothing_behind() -> None:
    made = filled(lanes(), *(f"key-{n}" for n in range(50)))
    while (work := made.next()) is not None:
        made.finish(work)

    assert len(made) == 0
    assert not made.is_ready


def test_keys_that_are_no_text_stay_apart() -> None:
    def record(key: bytes) -> Record:
        made = a_record("a", 0)
        made.key = key
        return made

    assert lane_key(record(b"\xff")) != lane_key(record(b"\xfe"))
    assert key_text("main|ü".encode()) == "main|ü"
    assert "\0" not in key_text(b"a\0b")


def an_unreadable(offset: int, partition: int = 0) -> Unreadable:
    return Unreadable("orders", partition, offset, 1, b"main|a", (), b"{", "no")


def test_every_assignment_has_a_new_epoch_and_starts_empty_and_on_hold() -> None:
    made = filled(lanes(), "a", "b")
    made.park(("orders", "main|a"))
    before = made.epoch
    assert made.next() is not None
    other = ("orders", 5)

    epoch = made.assign([other])
    assert (epoch, made.epoch, made.running, len(made), made.parked) == (before + 1, before + 1, 0, 0, frozenset())
    assert (made.partitions(), made.positions(), made.is_ready) == ({other}, {}, False)
    made.add(a_record("a", 7, partition=5))
    assert made.next() is None

    made.revoke()
    assert (made.epoch, made.partitions(), len(made)) == (before + 2, set(), 0)
    made.open()
    assert made.next() is None


def test_what_was_taken_before_is_not_taken_again() -> None:
    made = filled(lanes(), "a")
    assert not made.add(a_record("a", 0))
    assert made.add_unreadable(an_unreadable(1))
    assert not made.add_unreadable(an_unreadable(1))
    assert not made.add_unreadable(an_unreadable(2, partition=7))
    assert [work.kind for work in started(made)] == [Kind.RUN, Kind.UNREADABLE]


def test_every_change_says_whether_the_work_is_of_this_assignment() -> None:
    made = filled(lanes(), "a", "b", "c")
    a, b, c = started(made)
    assert made.is_current(a)
    assert made.rest(a)
    assert made.wake(a)
    assert made.finish(b)
    assert made.abandon(c)

    made.revoke()
    assert not made.is_current(a)
    assert not made.abandon(a)
    assert made.running == 0


def test_a_key_that_is_done_with_its_work_forgets_its_failures() -> None:
    made = filled(lanes(), "a", "a")
    work = next(started(made))
    work.lane.attempts, work.lane.tries, work.lane.down_since = 2, 5, 7.0
    made.rest(work)
    made.wake(work)
    again = next(started(made))
    assert (again.lane.attempts, again.lane.tries, again.lane.down_since) == (2, 5, 7.0)

    made.finish(again)
    assert (again.lane.attempts, again.lane.tries, again.lane.down_since) == (0, 0, None)


def test_an_unreadable_record_that_rests_comes_back_and_holds_up_no_other() -> None:
    made = filled(lanes(), "a")
    made.add_unreadable(an_unreadable(1))
    run, bury = started(made)
    made.rest(bury)
    made.finish(run)
    assert (made.next(), made.running) == (None, 0)

    made.wake(bury)
    again = next(started(made))
    assert (again.kind, again.unreadable) == (Kind.UNREADABLE, bury.unreadable)
    made.finish(again)
    assert (made.positions(), len(made)) == ({ORDERS: 2}, 0)


def test_what_rests_keeps_its_order() -> None:
    made = filled(lanes(collapse=True), "a", "a", "a")
    work = next(started(made))
    made.rest(work)
    made.wake(work)

    assert offsets(next(started(made))) == [0, 1, 2]


def test_replays_take_one_slot_at_least_and_half_of_an_odd_number_rounded_down() -> None:
    for concurrency, replays in ((1, 1), (3, 1), (5, 2)):
        assert len(list(started(due(lanes(concurrency=concurrency), 9)))) == replays


def test_an_abandoned_replay_frees_its_place_but_its_key_stays_shut() -> None:
    made = due(lanes(concurrency=2), 2)
    first = next(started(made))
    assert made.next() is None
    made.abandon(first)

    second = next(started(made))
    assert second.key != first.key
    made.finish(second)
    filled(made, first.key[1].removeprefix("main|"))
    assert made.next() is None


def test_a_key_that_rests_or_works_is_not_ready_twice() -> None:
    made = filled(lanes(), "a")
    work = next(started(made))
    made.add(a_record("a", 1))
    assert not made.is_ready
    made.rest(work)
    made.add(a_record("a", 2))
    assert not made.is_ready

    made.wake(work)
    made.wake(work)
    assert [offsets(one) for one in started(made)] == [[0]]


def test_a_due_key_with_a_record_in_work_is_replayed_after_it() -> None:
    made = filled(lanes(), "a")
    run = next(started(made))
    made.retry_parked(("orders", "main|a"), "main")
    assert made.next() is None

    made.finish(run)
    assert [work.kind for work in started(made)] == [Kind.RETRY_PARKED]


def test_where_a_partition_stands_before_its_first_record_is_told_once() -> None:
    made = lanes()
    assert made.positions() == {}
    made.start_at(ORDERS, 40)
    made.start_at(ORDERS, 50)
    made.start_at(("orders", 9), 3)
    assert made.positions() == {ORDERS: 40}

    made.add(a_record("a", 44))
    made.finish(next(started(made)))
    made.start_at(ORDERS, 1)
    assert made.positions() == {ORDERS: 45}


def test_each_topic_has_its_own_oldest_record_and_its_own_way_to_collapse() -> None:
    made = Lanes({"orders": False, "links": True}, concurrency=9, max_records=100, max_bytes=10**6)
    made.assign([ORDERS, ("orders", 1), ("links", 0)])
    made.open()
    for offset in (4, 5):
        made.add(a_record("a", offset))
        made.add(a_record("l", offset + 10, topic="links"))
    made.add(a_record("b", 2, partition=1))

    assert [made.oldest(topic) for topic in ("orders", "links", "sales")] == [1_002, 1_014, None]
    assert sorted(offsets(work) for work in started(made)) == [[2], [4], [14, 15]]


def test_the_bounds_are_met_exactly() -> None:
    made = filled(lanes(max_records=4, concurrency=9), "a", "b", "c")
    assert not made.is_full(ORDERS)
    assert not made.has_room(ORDERS)
    works = list(started(made))
    made.finish(works[0])
    assert not made.has_room(ORDERS)  # two of four are half, and half is what it has to fall below
    made.finish(works[1])
    assert made.has_room(ORDERS)
    assert (made.is_full(("orders", 9)), made.has_room(("orders", 9))) == (False, True)


def test_bytes_have_room_again_below_half() -> None:
    made = lanes(max_bytes=10_000)
    made.add(a_record("a", 0, body=b"x" * 4_000))
    assert (made.is_full(ORDERS), made.has_room(ORDERS)) == (False, True)
    made.add(a_record("b", 1, body=b"x" * 3_000))
    assert (made.is_full(ORDERS), made.has_room(ORDERS)) == (False, False)
    made.add(a_record("c", 2, body=b"x" * 3_000))
    assert made.is_full(ORDERS)


def test_it_is_ready_while_it_would_give_work() -> None:
    made = lanes(concurrency=2)
    assert not made.is_ready
    filled(made, "a", "b", "c")
    assert made.is_ready
    first = made.next()
    assert made.is_ready
    made.next()
    assert not made.is_ready
    assert first is not None
    made.finish(first)
    assert made.is_ready
