from __future__ import annotations

from datetime import timedelta

from shared.runtime.clock import SystemClock
from shared.state.database import Database
from shared.state.parked import Parked
from shared.state.partition_epochs import PartitionEpochs


async def test_a_partition_is_ours_since_it_was_assigned_last(db: Database) -> None:
    clock = SystemClock()
    owners = PartitionEpochs(db, "heartland_writer", clock)
    assert await owners.taken_at("canonical.order", 3) is None

    await Parked(db, "heartland_writer").take("canonical.order", [3])
    first = await owners.taken_at("canonical.order", 3)
    await db.execute("update owners set taken_at = taken_at - interval '1 hour'")
    before = await owners.taken_at("canonical.order", 3)
    await Parked(db, "heartland_writer").take("canonical.order", [3])
    again = await owners.taken_at("canonical.order", 3)

    assert first is not None and before is not None and again is not None  # noqa: PT018
    assert abs(clock.now() - again) < timedelta(seconds=30)
    assert timedelta(minutes=59) < again - before
