"""Webhook subscriptions created through the API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Subscription:
    """`topic` is in enum notation: ORDERS_CREATE."""

    id: int
    topic: str
    uri: str
    created_at: str
    updated_at: str
    format: str = "JSON"
    filter: str | None = None
    name: str | None = None
    include_fields: list[str] = field(default_factory=list)
    metafield_namespaces: list[str] = field(default_factory=list)
    metafields: list[dict[str, str]] = field(default_factory=list)


class Subscriptions:
    def __init__(self) -> None:
        self.rows: dict[int, Subscription] = {}

    def add(self, subscription: Subscription) -> None:
        self.rows[subscription.id] = subscription

    def remove(self, number: int) -> bool:
        return self.rows.pop(number, None) is not None

    def of(self, topic: str) -> Iterator[Subscription]:
        """The subscriptions of a topic in header notation: orders/create."""
        name = enum_topic(topic)
        return (row for row in list(self.rows.values()) if row.topic == name)

    def is_taken(self, topic: str, uri: str, but: int = 0) -> bool:
        return any(row.topic == topic and row.uri == uri and row.id != but for row in self.rows.values())


def enum_topic(topic: str) -> str:
    return topic.replace("/", "_").replace(".", "_").upper()
