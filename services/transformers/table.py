"""Finds the route of the entity that this process transforms."""

from __future__ import annotations

from collections.abc import Sequence

from shared.entities.parts import TransformParts
from shared.entities.spec import Spec, load
from shared.entities.table import ENTITIES, transformed
from shared.errors import Misconfigured
from shared.messaging.record import Route


def route(entity: str, parts: TransformParts, entities: Sequence[Spec] = ENTITIES) -> Route:
    """The route of the entity. Raises Misconfigured if no entity of that name is transformed."""
    transformable = {spec.name: spec for spec in transformed(entities)}
    if entity not in transformable:
        raise Misconfigured(f"TRANSFORMER_ENTITY: {entity!r} is not one of {', '.join(transformable)}: set one of them")
    found: Route = load(transformable[entity].transform)(parts)
    return found
