"""Converts records to rows of the parked table and back; bytes and headers stay unchanged."""

from __future__ import annotations

from shared.messaging.envelope import read_envelope
from shared.messaging.record import Record
from shared.state.parked import ParkedRecord


def row_of(record: Record, key: str) -> ParkedRecord:
    return ParkedRecord(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=key,
        headers=list(record.headers),
        body=record.envelope.body,
    )


def record_of(row: ParkedRecord, attempts: int = 0, *, urgent: bool = False) -> Record:
    """`attempts` are the tries so far; urgent: not one of those that only wait for their vendor."""
    envelope = read_envelope(row.headers, row.body)
    stamp = round(envelope.time.timestamp() * 1000)
    headers = tuple(row.headers)
    return Record(envelope, row.topic, row.partition, row.offset, stamp, attempts, envelope.key, headers, urgent)
