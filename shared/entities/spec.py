"""What the rest of the system has to know of an entity. One frozen value each, in `entities/<entity>/spec.py`.

Functions are named as `module:function` and loaded when they are used: ingress needs the topics of an entity, and must
not load its writers for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from shared.messaging.topics import Topic

System = Literal["shopify", "heartland"]


@dataclass(frozen=True, slots=True)
class Webhook:
    """A vendor's webhook topic or hook event. `id_path` leads to the id of the aggregate in its body."""

    name: str
    id_path: tuple[str, ...] = ("id",)


@dataclass(frozen=True, slots=True)
class Poll:
    """What the poller reads. `feed` names the stored position and the lease; `open` takes PollParts."""

    feed: str
    open: str


@dataclass(frozen=True, slots=True)
class Source:
    """One raw topic, and how notices get there. A topic with neither webhooks nor a poll gets repairs only."""

    system: System
    topic: Topic
    webhooks: tuple[Webhook, ...] = ()
    poll: Poll | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the reconciler compares the entity.

    `records` opens what is listed and read as one; without it the entity is compared as part of the records of the
    entity `within`; `companion` then opens what is added to those records. `entities` are the comparisons themselves.
    """

    entities: tuple[str, ...]
    records: str = ""
    within: str = ""
    companion: str = ""


@dataclass(frozen=True, slots=True)
class Spec:
    """The row of one entity.

    `kind`: of a state the newest event of a key stands for all before it; a fact is applied once, each by itself.
    `key` says what the Kafka key's last part is. `transform` takes TransformParts and gives the route of the raw
    topic. `writers` give, by target, the routes of the canonical topics: they take HeartlandWriterParts or
    ShopifyWriterParts. `read_again` gives the notice that has a record read and written once more;
    it takes connection, key, event id, time and RepairCause. `read_now` reads a record as a canonical event, without
    publishing it: it takes PreviewParts, connection and key, and gives a ReadRecord.
    `previews` say, by the entity of a canonical event, what that event would lead to; they take PreviewParts.
    `settings` are, by vendor, the models of what a merchant may set for it (see settings_model.py).
    """

    name: str
    plural: str
    key: str
    kind: Literal["state", "fact"] = "state"
    sources: tuple[Source, ...] = ()
    canonical: tuple[Topic, ...] = ()
    depends_on: tuple[str, ...] = ()
    transform: str = ""
    writers: tuple[tuple[System, str], ...] = ()
    comparison: Comparison | None = None
    key_is_shopify_id: bool = False
    read_again: str = ""
    read_now: str = ""
    previews: tuple[tuple[str, str], ...] = ()
    settings: tuple[tuple[System, str], ...] = ()

    def writer(self, system: System) -> str:
        """The name of its writer into `system`; empty where it is not written there."""
        return dict(self.writers).get(system, "")


def load(name: str) -> Any:
    """The function or value that `module:name` names. Raises ImportError or AttributeError where there is none."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)
