"""A connection's webhook subscriptions: desired, existing, the steps between, their execution.

Shopify lists only the subscriptions that this app created through the API. Ours are those with our name or our address;
all others are never changed. The API version of webhooks is a setting of the app, not of a
subscription, so it is shown and not changed.
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
class DesiredSubscriptions:
    """Subscriptions to all `topics` (as GraphQL spells them), with one address and one name."""

    uri: str
    name: str
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Subscription:
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
    def read(cls, node: Mapping[str, Any]) -> Subscription:
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
        """Whether it sends every webhook, with all fields, as JSON."""
        return self.format == "JSON" and not self.filter and not self.include_fields


@dataclass(frozen=True, slots=True)
class Create:
    topic: str


@dataclass(frozen=True, slots=True)
class Update:
    """Correct a subscription of ours. `has_our_uri`: its address is right, only its content is incomplete."""

    topic: str
    found: Subscription
    has_our_uri: bool = False


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a duplicate of ours, or one for a topic that is not desired."""

    topic: str
    found: Subscription


@dataclass(frozen=True, slots=True)
class Keep:
    topic: str
    found: Subscription


Step = Create | Update | Delete | Keep


@dataclass(slots=True)
class SubscriptionChanges:
    """Executed changes, by topic; `refused` has Shopify's reason."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def desired_subscriptions(public_url: str, connection: str, topics: Iterable[str]) -> DesiredSubscriptions:
    """The desired subscriptions of a connection whose ingress is reached at `public_url`."""
    uri = f"{public_url.rstrip('/')}/webhooks/shopify/{connection}"
    return DesiredSubscriptions(uri, f"tillbridge-{connection}", tuple(map(graphql_topic, topics)))


def graphql_topic(topic: str) -> str:
    """A topic as GraphQL spells it: orders/create is ORDERS_CREATE."""
    return topic.replace("/", "_").upper()


def is_ours(found: Subscription, desired: DesiredSubscriptions) -> bool:
    return desired.name == found.name or desired.uri == found.uri


def plan(desired: DesiredSubscriptions, existing: Iterable[Subscription]) -> list[Step]:
    """The steps from `existing` to `desired`: exactly one correct subscription of ours for each topic."""
    ours = [row for row in existing if is_ours(row, desired)]
    steps: list[Step] = []
    for topic in desired.topics:
        rows = sorted((row for row in ours if row.topic == topic), key=lambda row: not is_correct(row, desired))
        if not rows:
            steps.append(Create(topic))
            continue
        steps.append(_keep_or_update(topic, rows[0], desired))
        steps += [Delete(topic, row) for row in rows[1:]]
    steps += [Delete(row.topic, row) for row in ours if row.topic not in desired.topics]
    # Deletes go first: Shopify accepts an address only once per topic.
    return sorted(steps, key=lambda step: not isinstance(step, Delete))


def _keep_or_update(topic: str, row: Subscription, desired: DesiredSubscriptions) -> Step:
    return Keep(topic, row) if is_correct(row, desired) else Update(topic, row, has_our_uri=row.uri == desired.uri)


def is_correct(found: Subscription, desired: DesiredSubscriptions) -> bool:
    return (found.uri, found.name) == (desired.uri, desired.name) and found.is_whole


async def read_subscriptions(execute: Execute) -> list[Subscription]:
    """All subscriptions that this app created through the API.

    Raises what `execute` raises, and TargetDown for an invalid response.
    """
    rows: list[Subscription] = []
    after: str | None = None
    while True:
        answer = (await execute(LIST_SUBSCRIPTIONS, {"after": after})).get("webhookSubscriptions")
        try:
            page, info = answer["nodes"], answer["pageInfo"]  # type: ignore[index]
            rows += [Subscription.read(node) for node in page]
            following = info["endCursor"] if info["hasNextPage"] else None
        except (LookupError, TypeError) as error:
            raise TargetDown("Shopify's answer lacks a requested field", target="shopify") from error
        if following is None or following == after:
            return rows
        after = following


async def execute_steps(steps: Sequence[Step], desired: DesiredSubscriptions, execute: Execute) -> SubscriptionChanges:
    """Execute the steps. Raises what `execute` raises. Completed steps stay; the next plan has the rest."""
    done = SubscriptionChanges()
    content = {"uri": desired.uri, "name": desired.name, "format": "JSON"}
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
