"""The webhook subscriptions that a connection lives by: which there should be, and what to do about those there are.

Shopify lists those that this app made through the API, and only those. Of them, ours are those that bear our name or
lead to our address; all others belong to somebody else and are never touched. The API version of what is sent is the
app's own setting, not a subscription's, so it is shown and not changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.connectors.shopify.paging import Execute
from shared.connectors.shopify.subscription_documents import (
    CREATE_SUBSCRIPTION,
    DELETE_SUBSCRIPTION,
    LIST_SUBSCRIPTIONS,
    UPDATE_SUBSCRIPTION,
)
from shared.errors import TargetDown


@dataclass(frozen=True, slots=True)
class Wanted:
    """All `topics` (as GraphQL spells them) to one address, under one name."""

    uri: str
    name: str
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A subscription as Shopify lists it; `topic` as GraphQL spells it."""

    id: str
    topic: str
    uri: str
    name: str = ""
    format: str = "JSON"
    filter: str = ""
    include_fields: tuple[str, ...] = ()
    api_version: str = ""

    @classmethod
    def read(cls, node: Mapping[str, Any]) -> Found:
        return cls(
            id=node["id"],
            topic=node["topic"],
            uri=node["uri"],
            name=node["name"] or "",
            format=node["format"],
            filter=node["filter"] or "",
            include_fields=tuple(node["includeFields"] or ()),
            api_version=node["apiVersion"]["handle"],
        )

    @property
    def is_whole(self) -> bool:
        """Whether it sends everything, and as JSON."""
        return self.format == "JSON" and not self.filter and not self.include_fields


@dataclass(frozen=True, slots=True)
class Create:
    topic: str


@dataclass(frozen=True, slots=True)
class Update:
    """It is ours, and leads elsewhere or does not send everything; `is_there`: it does lead to our address."""

    topic: str
    found: Found
    is_there: bool = False


@dataclass(frozen=True, slots=True)
class Delete:
    """A second one of ours for a topic, or one for a topic that is not wanted."""

    topic: str
    found: Found


@dataclass(frozen=True, slots=True)
class Keep:
    topic: str
    found: Found


Step = Create | Update | Delete | Keep


@dataclass(slots=True)
class Done:
    """What was carried out, by topic; `refused` has Shopify's reason."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def wanted(public_url: str, connection: str, topics: Iterable[str]) -> Wanted:
    """What a connection wants, where ingress is reached at `public_url`."""
    uri = f"{public_url.rstrip('/')}/webhooks/shopify/{connection}"
    return Wanted(uri, f"tillbridge-{connection}", tuple(map(spelled, topics)))


def spelled(topic: str) -> str:
    """A topic as GraphQL spells it: orders/create is ORDERS_CREATE."""
    return topic.replace("/", "_").upper()


def is_ours(found: Found, wish: Wanted) -> bool:
    return wish.name == found.name or wish.uri == found.uri


def compare(wish: Wanted, found: Iterable[Found]) -> list[Step]:
    """What it takes to come from `found` to `wish`: of each topic exactly one of ours, and it is right."""
    ours = [row for row in found if is_ours(row, wish)]
    steps: list[Step] = []
    for topic in wish.topics:
        rows = sorted((row for row in ours if row.topic == topic), key=lambda row: not is_right(row, wish))
        if not rows:
            steps.append(Create(topic))
            continue
        steps.append(_kept(topic, rows[0], wish))
        steps += [Delete(topic, row) for row in rows[1:]]
    steps += [Delete(row.topic, row) for row in ours if row.topic not in wish.topics]
    # What is in the way of an address goes first: Shopify takes each address once per topic.
    return sorted(steps, key=lambda step: not isinstance(step, Delete))


def _kept(topic: str, row: Found, wish: Wanted) -> Step:
    return Keep(topic, row) if is_right(row, wish) else Update(topic, row, is_there=row.uri == wish.uri)


def is_right(found: Found, wish: Wanted) -> bool:
    return (found.uri, found.name) == (wish.uri, wish.name) and found.is_whole


async def read_subscriptions(execute: Execute) -> list[Found]:
    """All that this app made through the API. Raises what `execute` does, TargetDown for an answer of another shape."""
    rows: list[Found] = []
    after: str | None = None
    while True:
        answer = (await execute(LIST_SUBSCRIPTIONS, {"after": after})).get("webhookSubscriptions")
        try:
            page, info = answer["nodes"], answer["pageInfo"]  # type: ignore[index]
            rows += [Found.read(node) for node in page]
            following = info["endCursor"] if info["hasNextPage"] else None
        except (LookupError, TypeError) as error:
            raise TargetDown("Shopify's answer lacks what was asked for", target="shopify") from error
        if following is None or following == after:
            return rows
        after = following


async def carry_out(steps: Sequence[Step], wish: Wanted, execute: Execute) -> Done:
    """Carry the steps out. Raises what `execute` does; all that was done until then stays, and is found next time."""
    done = Done()
    content = {"uri": wish.uri, "name": wish.name, "format": "JSON"}
    for step in steps:
        match step:
            case Create(topic):
                answer = await execute(CREATE_SUBSCRIPTION, {"topic": topic, "subscription": content})
                _note(done.created, done.refused, topic, answer.get("webhookSubscriptionCreate"))
            case Update(topic, found):
                everything = {**content, "filter": "", "includeFields": []}
                answer = await execute(UPDATE_SUBSCRIPTION, {"id": found.id, "subscription": everything})
                _note(done.updated, done.refused, topic, answer.get("webhookSubscriptionUpdate"))
            case Delete(topic, found):
                answer = await execute(DELETE_SUBSCRIPTION, {"id": found.id})
                _note(done.deleted, done.refused, topic, answer.get("webhookSubscriptionDelete"))
            case Keep():
                pass
    return done


def _note(done: list[str], refused: dict[str, str], topic: str, payload: Mapping[str, Any] | None) -> None:
    errors = (payload or {}).get("userErrors") or ()
    if errors:
        refused[topic] = "; ".join(str(error.get("message")) for error in errors)[:300]
    else:
        done.append(topic)
