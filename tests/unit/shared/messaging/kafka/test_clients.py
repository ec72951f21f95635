"""The partition of a key is the one that every Kafka client computes."""

from __future__ import annotations

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.kafka.clients import partition_of


@given(st.binary(max_size=60), st.integers(1, 64))
def test_a_key_has_the_partition_of_the_default_partitioner(key: bytes, count: int) -> None:
    partitions = list(range(count))

    assert partition_of(key, partitions, partitions) == DefaultPartitioner()(key, partitions, partitions)


def test_a_record_without_a_key_goes_where_somebody_is() -> None:
    assert partition_of(None, [0, 1, 2], [1]) == 1
    assert partition_of(None, [0], []) == 0
