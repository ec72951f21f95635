"""The table of all entities, and everything that is derived from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter

from shared.entities.customer.spec import CUSTOMER
from shared.entities.fulfilment.spec import FULFILMENT
from shared.entities.order.spec import ORDER
from shared.entities.product.spec import PRODUCT
from shared.entities.sale.spec import SALE
from shared.entities.spec import Poll, Source, Spec, System, Webhook, load
from shared.errors import Misconfigured
from shared.messaging.topics import OPERATIONAL, Topic

ENTITIES: tuple[Spec, ...] = (ORDER, FULFILMENT, PRODUCT, CUSTOMER, SALE)


def check(entities: Sequence[Spec] = ENTITIES) -> None:
    """Raises Misconfigured, with a one-line reason, for an invalid table."""
    names = [spec.name for spec in entities]
    for name in names:
        if names.count(name) > 1:
            raise Misconfigured(f"entity {name!r} is in the table twice")
    owners: dict[str, str] = {}
    for spec in entities:
        for topic in _topics_of(spec):
            if owners.setdefault(topic.name, spec.name) != spec.name:
                raise Misconfigured(f"topic {topic.name} is named by two entities: {owners[topic.name]}, {spec.name}")
        if unknown := set(spec.depends_on) - set(names):
            raise Misconfigured(f"entity {spec.name!r} depends on {', '.join(sorted(unknown))}, not in the table")
    try:
        TopologicalSorter({spec.name: spec.depends_on for spec in entities}).prepare()
    except CycleError as error:
        raise Misconfigured(f"entities depend on each other in a circle: {' -> '.join(error.args[1])}") from None


def named(name: str, entities: Sequence[Spec] = ENTITIES) -> Spec:
    """The entity of this name. Raises Misconfigured if it is not in the table."""
    for spec in entities:
        if spec.name == name:
            return spec
    raise Misconfigured(f"{name!r} is not an entity: {', '.join(spec.name for spec in entities)} are")


def owner(entity: str, entities: Sequence[Spec] = ENTITIES) -> Spec:
    """The entity of this name, or the one that it is compared and written with (a payment is the order's).

    Raises Misconfigured for an unknown name.
    """
    for spec in entities:
        compared = spec.comparison.entities if spec.comparison else ()
        if spec.name == entity or any(load(name).name == entity for name in compared):
            return spec
    return named(entity, entities)


def topics(entities: Sequence[Spec] = ENTITIES) -> tuple[Topic, ...]:
    """Every topic of the system."""
    return (*(topic for spec in entities for topic in _topics_of(spec)), *OPERATIONAL)


def sources(entities: Sequence[Spec] = ENTITIES, system: System | None = None) -> Iterator[tuple[Spec, Source]]:
    """Every raw topic with its entity, or only those of one vendor."""
    for spec in entities:
        yield from ((spec, source) for source in spec.sources if system in (None, source.system))


def webhooks(system: System, entities: Sequence[Spec] = ENTITIES) -> dict[str, tuple[Spec, Source, Webhook]]:
    """The entity and source of each webhook, by the vendor's name of the webhook."""
    return {
        webhook.name: (spec, source, webhook)
        for spec, source in sources(entities, system)
        for webhook in source.webhooks
    }


def polls(entities: Sequence[Spec] = ENTITIES) -> Iterator[tuple[Spec, Poll]]:
    """The polls of all entities."""
    yield from ((spec, source.poll) for spec, source in sources(entities) if source.poll)


def transformed(entities: Sequence[Spec] = ENTITIES) -> tuple[Spec, ...]:
    """The entities that have a transformer: one process each."""
    return tuple(spec for spec in entities if spec.transform)


def preview_of(entity: str, target: str, entities: Sequence[Spec] = ENTITIES) -> str:
    """The name of the function that previews this entity's canonical events at `target`.

    Empty if there is none.
    """
    previews = (preview for spec in entities for preview in spec.previews)
    return next((name for event, system, name in previews if (event, system) == (entity, target)), "")


def applied_fact_of(entity: str, entities: Sequence[Spec] = ENTITIES) -> str:
    """The name of the function that says whether a fact was applied.

    Empty for states and unknown entities.
    """
    return next((spec.applied_fact for spec in entities if spec.name == entity), "")


def events_under(name: str, entities: Sequence[Spec] = ENTITIES) -> tuple[str, ...]:
    """The entities of all events that travel under this entity's key.

    Its own, and those compared within it.
    """
    own = [spec for spec in entities if spec.name == name or (spec.comparison and spec.comparison.within == name)]
    events = (topic.name.removeprefix("canonical.") for spec in own for topic in spec.canonical)
    return tuple(dict.fromkeys([*(spec.name for spec in own), *events]))


def writers(system: System, entities: Sequence[Spec] = ENTITIES) -> tuple[str, ...]:
    """The names of the functions that open the writers into `system`."""
    return tuple(name for spec in entities if (name := spec.writer(system)))


def _topics_of(spec: Spec) -> Iterator[Topic]:
    yield from (source.topic for source in spec.sources)
    yield from spec.canonical
