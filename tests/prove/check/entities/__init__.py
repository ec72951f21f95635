"""One file per entity, found by itself: each defines an `ENTITY`."""

from __future__ import annotations

from typing import Final

from tests.prove.check.entity import Entity, steps_of
from tests.prove.registry import found

ENTITIES: Final[tuple[Entity, ...]] = found(__name__, "ENTITY")
STEPS: Final = steps_of(ENTITIES)
