"""The spec of an entity: all that the rest of the system knows of it.

One per `entities/<entity>/spec.py`.

Functions are named as `module:function` and imported on use: ingress needs an entity's topics, but must not import its
writers.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from shared.messaging.topics import Topic

System = Literal["shopify", "heartland"]


@dataclass(frozen=True, slots=True)
class Webhook:
    """A vendor's webhook topic or hook event. `id_path` is the path to the aggregate's id in its body."""

    name: str
    id_path: tuple[str, ...] = ("id",)


@dataclass(frozen=True, slots=True)
class Poll:
    """A feed that the poller reads.

    `feed` names its stored position and its lease; `open` takes PollParts.
    """

    feed: str
    open: str


@dataclass(frozen=True, slots=True)
class Source:
    """A raw topic, and the sources of its notices.

    Without webhooks and poll, only repairs are published to it.
    """

    system: System
    topic: Topic
    webhooks: tuple[Webhook, ...] = ()
    poll: Poll | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the reconciler compares the entity.

    `entities` are the comparisons. `records` opens the lists and reads of the records they compare. An entity without
    `records` is compared within the records of another entity, `within`: `companion` opens what it adds to those.
    """

    entities: tuple[str, ...]
    records: str = ""
    within: str = ""
    companion: str = ""


@dataclass(frozen=True, slots=True)
class Spec:
    """The row of one entity in the table.

    `kind`: for a `state`, the newest event of a key replaces all older ones; a `fact` is applied once.
    `key` describes the last part of the Kafka key.

    Names of functions, and what they take and return:
    - `transform`: TransformParts -> the route of the raw topic.
    - `writers`, by target: HeartlandWriterParts or ShopifyWriterParts -> an EntityWriter.
    - `read_again`: connection, key, event id, time, headers -> the notice to read and write a record again.
    - `read_now`: PreviewParts, connection, key -> the record as a canonical event, not published, in a ReadRecord.
    - `previews`, by entity of the canonical event and target: PreviewParts, connection, body -> a Preview.
    - `applied_fact`: a canonical event's body, the states of its key's effects by operation -> whether all calls for
      that fact are known to have been made.

    `settings` are the names of the models of a merchant's settings, by vendor (see settings_model.py).
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
    previews: tuple[tuple[str, System, str], ...] = ()
    applied_fact: str = ""
    settings: tuple[tuple[System, str], ...] = ()

    def writer(self, system: System) -> str:
        """The name of the function that opens its writer into `system`; empty if there is none."""
        return dict(self.writers).get(system, "")


def load(name: str) -> Any:
    """The function or value named `module:name`. Raises ImportError or AttributeError if there is none."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)
