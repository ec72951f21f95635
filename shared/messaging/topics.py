"""Topics, and those that belong to no entity: trace, alerts, dead letters.

Partition counts are fixed for ever: a changed count is a new topic version, since order within a key would break.
"""

from __future__ import annotations

from dataclasses import dataclass

# The largest body; headers have room of their own, so that a dead letter of the largest record still fits.
MAX_MESSAGE_BYTES = 8 * 1024 * 1024
MAX_RECORD_BYTES = MAX_MESSAGE_BYTES + 256 * 1024
_DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Topic:
    """`retention_days` bounds how long personal data stays in the log."""

    name: str
    partitions: int = 12
    retention_days: int = 7

    def config(self) -> dict[str, str]:
        return {
            "max.message.bytes": str(MAX_RECORD_BYTES),
            "retention.ms": str(self.retention_days * _DAY_MS),
        }


def topic_name(prefix: str, topic: Topic) -> str:
    """The topic's name on the broker: installations that share one differ in the prefix."""
    return prefix + topic.name


# One small record per hop. Written by every consumer; read by the journal.
TRACE = Topic("trace", partitions=6)

# What an operator should know of now: a dead letter, an open breaker. Written by every service; read by the journal.
ALERT = Topic("alert", partitions=3, retention_days=28)

# What can never work: original bytes and headers, with the reason. Written by the service named, read by replay.
DEAD_LETTERS = {
    service: Topic(f"dlq.{service}", partitions=3, retention_days=28)
    for service in ("transformers", "heartland_writer", "shopify_writer", "journal")
}

# The topics that belong to no entity; those of the entities stand in their specs.
OPERATIONAL: tuple[Topic, ...] = (TRACE, ALERT, *DEAD_LETTERS.values())
