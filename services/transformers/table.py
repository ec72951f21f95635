"""Which entity this process transforms."""

from __future__ import annotations

from collections.abc import Sequence

from shared.entities.parts import TransformParts
from shared.entities.spec import Spec, load
from shared.entities.table import ENTITIES, transformed
from shared.errors import Misconfigured
from shared.messaging.record import Route


def route(entity: str, parts: TransformParts, entities: Sequence[Spec] = ENTITIES) -> Route:
    """The route of this entity. Raises Misconfigured where there is none of that name."""
    known = {spec.name: spec for spec in transformed(entities)}
    if entity not in known:
        raise Misconfigured(f"TRANSFORMER_ENTITY: {entity!r} is not among {', '.join(known)}")
    found: Route = load(known[entity].transform)(parts)
    return found
